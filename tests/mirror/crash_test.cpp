#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::files_of_cache;
using testing::forbidden;
using testing::read_file;
namespace fs = std::filesystem;

namespace {

const cache_options durable{.level = durability::durable};

struct fixture {
  testing::scratch_directory place{testing::memory_directory()};
  fs::path directory = place / "cache";

  void start_anew() const {
    for (const std::string& name : place.names()) fs::remove_all(place / name);
  }
  static std::string current(mirror_cache& cache) {
    try {
      return content_of(cache.get("key", {}, fetch_policy::never()));
    } catch (const error&) {
      return "none";
    }
  }
  /// Kills `body`, then: the key has one of `allowed`, a fetch works, and after a repair nothing is there but that.
  std::size_t sweep(const std::function<void()>& prepare, const std::function<void(mirror_cache&)>& body,
                    const std::set<std::string>& allowed, bool was_damaged = false) {
    return testing::kill_at_every_call(
        [&] {
          start_anew();
          prepare();
        },
        [&] {
          mirror_cache cache(directory, durable);
          body(cache);
        },
        [&](std::size_t point) {
          INFO("killed at call " << point);
          mirror_cache cache(directory, durable);
          CHECK(allowed.contains(current(cache)));
          if (!was_damaged) CHECK(cache.verify().empty());
          CHECK(content_of(cache.get("key", brings("after"), fetch_policy::always())) == "after");
          CHECK(cache.verify(true).empty());
          CHECK(files_of_cache(directory).size() == 2);
        });
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "a process killed at any system call of a miss leaves no key or a whole one") {
  const std::size_t points =
      sweep([] {}, [](mirror_cache& cache) { (void)cache.get("key", brings("new")); }, {"none", "new"});
  CHECK(points > 60);
}

TEST_CASE_METHOD(fixture, "a process killed at any system call of a refresh leaves the old content or the new") {
  sweep([&] { (void)mirror_cache(directory).get("key", brings("old")); },
        [](mirror_cache& cache) { (void)cache.get("key", brings("new"), fetch_policy::always()); }, {"old", "new"});
}

TEST_CASE_METHOD(fixture, "a process killed while it replaces a damaged content leaves a miss or the whole content") {
  const auto damage = [&] {
    mirror_cache cache(directory);
    (void)cache.get("key", brings("new"));
    testing::damage(testing::only_file(directory, 'b'), "half");
  };
  sweep(damage, [](mirror_cache& cache) { (void)cache.get("key", brings("new")); }, {"none", "new"}, true);
}

TEST_CASE_METHOD(fixture, "a process killed at any system call of a removal leaves the key whole or gone") {
  sweep([&] { (void)mirror_cache(directory).get("key", brings("old")); },
        [](mirror_cache& cache) { cache.remove("key"); }, {"none", "old"});
}

TEST_CASE_METHOD(fixture,
                 "a process killed while it mirrors leaves the destination old or new, and no file beside it") {
  for (const mirror_link link : {mirror_link::isolated, mirror_link::hard_link}) {
    for (const bool overwrite : {false, true}) {
      const mirror_options options{.link = link, .overwrite = overwrite, .level = durability::durable};
      const auto mirror = [&](mirror_cache& cache) {
        (void)cache.fetch_and_mirror("key", place / "mirror", forbidden(), fetch_policy::if_missing(), options);
      };
      testing::kill_at_every_call(
          [&] {
            start_anew();
            (void)mirror_cache(directory).get("key", brings("new"));
            if (overwrite) testing::write_file(place / "mirror", "old");
          },
          [&] {
            mirror_cache cache(directory);
            mirror(cache);
          },
          [&](std::size_t point) {
            INFO("killed at call " << point << (link == mirror_link::hard_link ? ", linking" : ", copying"));
            const std::string found = read_file(place / "mirror");
            CHECK((found == "new" || found == (overwrite ? "old" : "")));
            mirror_cache cache(directory);
            mirror(cache);
            CHECK(read_file(place / "mirror") == "new");
            sweep_staged(place.path());
            CHECK(place.names() == std::set<std::string>{"cache", "mirror"});
          });
    }
  }
}
