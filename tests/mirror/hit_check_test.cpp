#include <sys/stat.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::damage;
using testing::forbidden;
using testing::read_file;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  fs::path path = mirror_cache(directory).get("key", brings("content")).path();

  std::string answer(mirror_cache& cache) const {
    int calls = 0;
    const std::string text = content_of(cache.get("key", brings("content", &calls)));
    return (calls == 0 ? "hit " : "fetched ") + text;
  }
  /// Written through, without a trace in size and time.
  void damage_secretly() const {
    const auto time = fs::last_write_time(path);
    damage(path, "CONTENT");
    fs::last_write_time(path, time);
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "what each level of checking a hit finds, and that the next fetch heals it for all") {
  mirror_cache by_size(directory);
  mirror_cache by_stat(directory, {.check = hit_check::stat});
  mirror_cache by_content(directory, {.check = hit_check::content});
  for (mirror_cache* cache : {&by_size, &by_stat, &by_content}) CHECK(answer(*cache) == "hit content");
  damage(path, "CONTENT");
  CHECK(answer(by_size) == "hit CONTENT");
  CHECK(answer(by_stat) == "fetched content");
  CHECK(answer(by_size) == "hit content");
  damage_secretly();
  CHECK(answer(by_stat) == "hit CONTENT");  // hashed before, and looks as it did
  CHECK(answer(by_content) == "fetched content");
  for (mirror_cache* cache : {&by_size, &by_stat, &by_content}) CHECK(answer(*cache) == "hit content");
  CHECK(by_size.verify().empty());
}

TEST_CASE_METHOD(fixture, "a damaged content that one finds is a miss for all, of all its keys") {
  mirror_cache cache(directory);
  (void)cache.get("twin", brings("content"));
  damage(path, "CONTENT");
  mirror_cache checking(directory, {.check = hit_check::content});
  CHECK(testing::code_of([&] { (void)checking.get("key", {}, fetch_policy::never()); }) == errc::not_cached);
  CHECK_FALSE(fs::exists(path));
  CHECK(testing::code_of([&] { (void)cache.get("twin", {}, fetch_policy::never()); }) == errc::not_cached);
  CHECK(content_of(cache.get("twin", brings("content"))) == "content");
  CHECK(content_of(checking.get("key", forbidden())) == "content");
}

TEST_CASE_METHOD(fixture,
                 "a content written through a hard link is found by a checking hit, and the mirror stays its owner's") {
  mirror_cache cache(directory, {.check = hit_check::stat});
  cache.mirror(cache.get("key", forbidden()), place / "mirror", {.link = mirror_link::hard_link});
  damage(place / "mirror", "CONTENT");
  CHECK(answer(cache) == "fetched content");
  CHECK(read_file(path) == "content");
  CHECK(read_file(place / "mirror") == "CONTENT");
}

TEST_CASE_METHOD(fixture, "another inode with the same time is hashed again") {
  mirror_cache cache(directory, {.check = hit_check::stat});
  CHECK(answer(cache) == "hit content");
  const auto time = fs::last_write_time(path);
  fs::remove(path);
  testing::write_file(place / "other", "occupies an inode");
  testing::write_file(path, "CONTENT");
  fs::last_write_time(path, time);
  CHECK(answer(cache) == "fetched content");
}

TEST_CASE_METHOD(fixture, "a content that a checking hit finds damaged keeps its name while it is leased") {
  mirror_cache cache(directory, {.check = hit_check::content});
  {
    const cache_lease lease = cache.lease("key", forbidden());
    damage(path, "CONTENT");
    CHECK(testing::code_of([&] { (void)cache.get("key", {}, fetch_policy::never()); }) == errc::not_cached);
    CHECK(read_file(path) == "CONTENT");
    CHECK(answer(cache) == "fetched content");
    CHECK(read_file(path) == "content");
  }
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(directory).size() == 2);
}

TEST_CASE_METHOD(fixture, "verify tells how far it is, what it found, and what it removed") {
  mirror_cache cache(directory);
  (void)cache.get("other", brings("fine"));
  damage(path, "CONTENT");
  std::vector<verify_progress> told;
  verify_options options{.repair = true, .on_progress = [&](const verify_progress& now) { told.push_back(now); }};
  const auto damages = cache.verify(options);
  REQUIRE(damages.size() == 1);
  CHECK(damages[0].removed);
  REQUIRE(told.size() == 2);
  CHECK(told[0].keys == 1);
  CHECK(told[1].keys == 2);
  CHECK(told[1].all_keys == 2);
  CHECK(told[1].all_bytes == 11);
}
