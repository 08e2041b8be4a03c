/// A process killed at every system call of what takes contents away, and of what heals them.
#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using testing::brings;
using testing::content_of;
using testing::files_of_cache;
namespace fs = std::filesystem;

namespace {

eviction_limits to_bytes(std::uint64_t bytes) {
  eviction_limits limits;
  limits.max_bytes = bytes;
  limits.grace = 0s;
  return limits;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stride = 5;  // forks cost more there
#else
constexpr std::size_t stride = 1;
#endif

/// testing::kill_at_every_call, or at each fifth.
std::size_t kill_along(const std::function<void()>& prepare, const std::function<void()>& body,
                       const std::function<void(std::size_t point)>& check) {
  for (std::size_t point = 1;; point += stride) {
    const testing::traced_run run = testing::run_traced(prepare, body, point);
    if (!run.killed) {
      CHECK(run.status == 0);
      return point;
    }
    check(point);
  }
}

struct fixture {
  testing::scratch_directory place{testing::memory_directory()};
  fs::path directory = place / "cache";

  void start_anew() const { fs::remove_all(directory); }
  static std::string state(mirror_cache& cache, const std::string& key) {
    try {
      return content_of(cache.get(key, {}, fetch_policy::never()));
    } catch (const error&) {
      return "miss";
    }
  }
  /// "old" and "new" are whole or a miss, and after a sweep no file is there that no key needs.
  std::size_t sweep(const std::function<void(mirror_cache&)>& prepare, const std::function<void(mirror_cache&)>& body,
                    const std::function<void(const std::string& old_key, const std::string& new_key)>& check) {
    const cache_options checking{.level = durability::visible, .check = hit_check::content};
    std::optional<mirror_cache> working;
    return kill_along(
        [&] {
          start_anew();
          mirror_cache& cache = working.emplace(directory, checking);
          (void)cache.get("old", brings("old content"));
          (void)cache.get("new", brings("new content"));
          testing::set_last_use(directory, "old", 5h);
          prepare(cache);
        },
        [&] { body(*working); },
        [&](std::size_t point) {
          INFO("killed at call " << point);
          mirror_cache cache(directory, checking);
          check(state(cache, "old"), state(cache, "new"));
          (void)cache.verify(true);  // a content that was found damaged may be gone, and its record still there
          CHECK(cache.verify().empty());
          CHECK(files_of_cache(directory).size() == 2 * cache.list().size());
          CHECK_FALSE(content_of(cache.get("old", brings("old content"))).empty());
          (void)cache.evict(to_bytes(0));
          CHECK(files_of_cache(directory).empty());
        });
  }
};

bool one_of(const std::string& found, const std::string& content) {
  return found == content || found == "miss";
}

}  // namespace

TEST_CASE_METHOD(fixture, "a process killed at any system call of an eviction leaves keys whole or gone") {
  const auto leave_unnamed = [](mirror_cache& cache) {
    std::string beside = cache.get("old", testing::forbidden()).path();
    beside.back() = beside.back() == '0' ? '1' : '0';
    testing::write_file(beside, "content without a key");
    testing::set_last_use(cache.directory(), "old", 5h);
  };
  const std::size_t points = sweep(
      leave_unnamed, [](mirror_cache& cache) { (void)cache.evict(to_bytes(11)); },
      [](const std::string& old_key, const std::string& new_key) {
        CHECK(one_of(old_key, "old content"));
        CHECK(new_key == "new content");
      });
  CHECK(points > 60);
}

TEST_CASE_METHOD(fixture, "a process killed at any system call of a sweep leaves every key whole") {
  const auto refresh = [](mirror_cache& cache) { (void)cache.get("old", brings("replaced"), fetch_policy::always()); };
  sweep(
      refresh, [](mirror_cache& cache) { (void)cache.verify(true); },
      [](const std::string& old_key, const std::string& new_key) {
        CHECK(old_key == "replaced");
        CHECK(new_key == "new content");
      });
}

TEST_CASE_METHOD(
    fixture, "a process killed at any system call of finding and healing damage leaves a miss or the whole content") {
  const auto damage = [](mirror_cache& cache) {
    testing::damage(cache.get("old", {}, fetch_policy::never()).path(), "OLD CONTENT");
  };
  sweep(
      damage, [](mirror_cache& cache) { (void)cache.get("old", brings("old content")); },
      [](const std::string& old_key, const std::string& new_key) {
        CHECK(one_of(old_key, "old content"));
        CHECK(new_key == "new content");
      });
}

TEST_CASE_METHOD(fixture,
                 "a process killed at any system call of healing a leased content leaves its name and the lease") {
  const auto lease_and_heal = [](mirror_cache& cache) {
    // In the killed process as well: a lease ends with its process, and what it displaced goes with a sweep.
    const cache_lease lease = cache.lease("new", testing::forbidden());
    testing::damage(lease.path(), "NEW CONTENT");
    (void)cache.get("new", brings("new content"), fetch_policy::always());
  };
  sweep([](mirror_cache&) {}, lease_and_heal,
        [](const std::string& old_key, const std::string& new_key) {
          CHECK(old_key == "old content");
          CHECK(one_of(new_key, "new content"));
        });
}
