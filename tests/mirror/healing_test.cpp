#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::damage;
using testing::files_of_cache;
using testing::forbidden;
using testing::only_file;
using testing::read_file;
using testing::write_file;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  mirror_cache cache{directory};
  cache_entry entry = cache.get("key", brings("content"));
  fs::path record = only_file(directory, 'k');
  fs::path content = only_file(directory, 'b');

  /// The next get fetches, and leaves a cache without damage.
  bool heals() {
    int calls = 0;
    const cache_entry again = cache.get("key", brings("content", &calls));
    return calls == 1 && content_of(again) == "content" && read_file(content) == "content" &&
           content_of(cache.get("key", forbidden())) == "content" && cache.verify().empty();
  }
};

void put_in_place_of(const fs::path& path, const std::string& what) {
  fs::remove_all(path);
  if (what == "link") fs::create_symlink("/etc/passwd", path);
  if (what == "fifo") REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  if (what == "big file") write_file(path, std::string(100'000, 'x'));
  if (what == "empty file") write_file(path, "");
}

}  // namespace

TEST_CASE_METHOD(fixture, "a damaged record is a miss and is replaced") {
  const std::string whole = read_file(record);
  for (const std::string& text : {std::string(), whole.substr(0, whole.size() / 2), whole + whole,
                                  std::string(10'000, '\0'), "lockkit-cache/1\n" + std::string(5000, 'k')}) {
    damage(record, text);
    CHECK(heals());
  }
}

TEST_CASE_METHOD(fixture, "the record of another key in a key's place is a miss") {
  (void)cache.get("other", brings("other"));
  for (const std::string& name : files_of_cache(directory)) {
    const fs::path file = directory / name;
    if (name[0] == 'k' && file != record) fs::copy_file(file, record, fs::copy_options::overwrite_existing);
  }
  CHECK(heals());
}

TEST_CASE_METHOD(fixture, "a truncated, grown or lost content is a miss and is fetched again") {
  damage(content, "con");
  CHECK(heals());
  damage(content, "content and more");
  CHECK(heals());
  fs::remove(content);
  CHECK(heals());
}

TEST_CASE_METHOD(fixture, "what stands in a record's or content's place is never followed, waited for, or trusted") {
  for (const fs::path& path : {record, content}) {
    for (const char* what : {"link", "big file", "empty file"}) {
      put_in_place_of(path, what);
      CHECK(heals());
    }
    put_in_place_of(path, "fifo");
    CHECK(testing::code_of([&] { (void)cache.get("key", brings("content")); }) == errc::not_a_regular_file);
    fs::remove(path);
    CHECK(heals());
  }
}

TEST_CASE_METHOD(fixture, "a content written through a hard link is found by verify, and healed by the next fetch") {
  cache.mirror(entry, place / "mirror", {.link = mirror_link::hard_link});
  damage(place / "mirror", "CONTENT");  // same size: a hit can't see it
  const auto damages = cache.verify();
  REQUIRE(damages.size() == 1);
  CHECK(damages[0].key == "key");
  CHECK(damages[0].error == errc::integrity_mismatch);
  CHECK(content_of(cache.get("key", brings("content"), fetch_policy::always())) == "content");
  CHECK(read_file(content) == "content");
  CHECK(cache.verify().empty());
  CHECK(read_file(place / "mirror") == "CONTENT");  // the mirror is its owner's
}

TEST_CASE_METHOD(fixture, "verify with repair removes what is damaged, and the next get fetches") {
  (void)cache.get("good", brings("good"));
  (void)cache.get("lost", brings("lost"));
  (void)cache.get("torn", brings("torn"));
  damage(content, "CONTENT");
  fs::remove(cache.get("lost", forbidden()).path());
  for (const std::string& name : files_of_cache(directory)) {
    const std::string text = read_file(directory / name);
    if (name[0] == 'k' && text.find("key torn\n") != std::string::npos) damage(directory / name, text.substr(1));
  }
  const auto found = cache.verify();
  CHECK(found.size() == 3);
  CHECK(cache.list().size() == 3);  // the torn record is left out
  const auto repaired = cache.verify(true);
  CHECK(repaired.size() == 3);
  CHECK(std::count_if(repaired.begin(), repaired.end(), [](const auto& d) { return d.key.empty(); }) == 1);
  CHECK(cache.verify().empty());
  CHECK(files_of_cache(directory).size() == 2);
  CHECK(content_of(cache.get("good", forbidden())) == "good");
  CHECK(heals());
}

TEST_CASE_METHOD(fixture, "verify with repair sweeps contents that no key names, and nothing else") {
  (void)cache.get("key", brings("refreshed"), fetch_policy::always());
  CHECK(files_of_cache(directory).size() == 3);
  write_file(directory / "b" / "note", "a person's");
  CHECK(cache.verify(false).empty());
  CHECK(files_of_cache(directory).size() == 4);
  CHECK(cache.verify(true).empty());
  CHECK(files_of_cache(directory).size() == 3);
  CHECK(read_file(directory / "b" / "note") == "a person's");
  CHECK(content_of(cache.get("key", forbidden())) == "refreshed");
  CHECK(content_of(entry) == "content");
}

TEST_CASE_METHOD(fixture, "a content that stands already is kept if it is good, replaced if it is not") {
  struct stat before{};
  ::stat(content.c_str(), &before);
  (void)cache.get("other", brings("content"));
  struct stat after{};
  ::stat(content.c_str(), &after);
  CHECK(after.st_ino == before.st_ino);
  damage(content, "CONTENT");
  (void)cache.get("third", brings("content"));
  CHECK(read_file(content) == "content");
  CHECK(content_of(cache.get("key", forbidden())) == "content");
}
