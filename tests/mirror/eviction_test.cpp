#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using testing::brings;
using testing::content_of;
using testing::forbidden;
using testing::set_last_use;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  mirror_cache cache{directory};

  /// Keys "0" to "9", each with 1,000 bytes of its own, used so many hours ago.
  void fill(const std::vector<int>& hours_ago) {
    for (std::size_t n = 0; n < hours_ago.size(); ++n) {
      (void)cache.get(std::to_string(n), brings(std::string(1000, static_cast<char>('a' + n))));
      set_last_use(directory, std::to_string(n), std::chrono::hours(hours_ago[n]));
    }
  }
  std::string keys() const {
    std::string all;
    for (const cache_record& each : cache.list()) all += each.key;
    std::ranges::sort(all);
    return all;
  }
  std::vector<std::string> evicted(const eviction_limits& limits) {
    std::vector<std::string> names;
    for (const cache_record& each : cache.evict(limits).evicted) names.push_back(each.key);
    return names;
  }
  std::size_t contents() const { return cache.statistics().own.contents; }
};

constexpr eviction_limits to_bytes(std::uint64_t bytes) {
  eviction_limits limits;
  limits.max_bytes = bytes;
  limits.grace = 0s;
  return limits;
}

keep_reason only_reason(const eviction_result& result) {
  REQUIRE(result.kept.size() == 1);
  return result.kept.front().why;
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(fixture, "eviction by size takes the least recently used keys first, and no more than it must") {
  fill({5, 9, 1, 7, 3});
  CHECK(evicted(to_bytes(5000)).empty());
  const eviction_result result = cache.evict(to_bytes(2999));
  REQUIRE(result.evicted.size() == 3);
  CHECK(result.evicted[0].key == "1");
  CHECK(result.evicted[1].key == "3");
  CHECK(result.evicted[2].key == "0");
  CHECK(result.bytes_freed == 3000);
  CHECK(result.bytes_left == 2000);
  CHECK(result.kept.empty());
  CHECK(keys() == "24");
  CHECK(contents() == 2);
  CHECK(evicted(to_bytes(0)).size() == 2);
  CHECK(testing::files_of_cache(directory).empty());
}

TEST_CASE_METHOD(fixture, "eviction by age takes what was not used for as long, and nothing else") {
  fill({5, 9, 1, 7, 3});
  eviction_limits limits;
  limits.max_age = 6h;
  limits.grace = 0s;
  CHECK(evicted(limits) == names{"1", "3"});
  CHECK(keys() == "024");
  CHECK(contents() == 3);
}

TEST_CASE_METHOD(fixture, "a hit counts as use once in an hour, and saves its key from eviction") {
  fill({5, 9, 1});
  CHECK(content_of(cache.get("1", forbidden())) == std::string(1000, 'b'));
  CHECK(evicted(to_bytes(2000)) == names{"0"});
  const fs::path record = testing::record_of(directory, "2");
  set_last_use(directory, "2", 50min);
  const auto before = fs::last_write_time(record);
  (void)cache.get("2", forbidden());
  CHECK(fs::last_write_time(record) == before);
  set_last_use(directory, "2", -2h);  // a clock that was wrong once
  (void)cache.get("2", forbidden());
  CHECK(fs::last_write_time(record) < fs::file_time_type::clock::now() + 1min);
}

TEST_CASE_METHOD(fixture, "a content goes with the last of its keys, as late as the latest of them was used") {
  (void)cache.get("old", brings("shared"));
  (void)cache.get("new", brings("shared"));
  (void)cache.get("between", brings("own"));
  set_last_use(directory, "old", 9h);
  set_last_use(directory, "between", 5h);
  CHECK(evicted(to_bytes(8)) == names{"between"});
  eviction_limits limits;
  limits.max_age = 6h;
  limits.grace = 0s;
  CHECK(evicted(limits) == names{"old"});
  CHECK(content_of(cache.get("new", forbidden())) == "shared");
}

TEST_CASE_METHOD(fixture, "readers by descriptor notice nothing of an eviction, and the next request fetches") {
  fill({5});
  const cache_entry entry = cache.get("0", forbidden());
  CHECK(evicted(to_bytes(0)).size() == 1);
  CHECK(content_of(entry) == std::string(1000, 'a'));
  cache.mirror(entry, place / "mirror");
  CHECK(testing::read_file(place / "mirror") == std::string(1000, 'a'));
  CHECK_FALSE(fs::exists(entry.path()));
  CHECK(content_of(cache.get("0", brings("again"))) == "again");
}

TEST_CASE_METHOD(fixture, "what came within the grace time stays, and so does its key") {
  fill({5});
  (void)cache.get("0", brings("refreshed"), fetch_policy::always());  // leaves a content without a key
  eviction_limits limits = to_bytes(0);
  limits.grace = 1h;
  const eviction_result result = cache.evict(limits);
  CHECK(result.evicted.empty());
  CHECK(result.kept.size() == 2);
  for (const kept_content& each : result.kept) CHECK(each.why == keep_reason::young);
  CHECK(result.bytes_left == 1009);
  CHECK(content_of(cache.get("0", forbidden())) == "refreshed");
}

TEST_CASE_METHOD(fixture, "contents that no key names go first, within any limits") {
  fill({5});
  (void)cache.get("0", brings("refreshed"), fetch_policy::always());
  const eviction_result result = cache.evict(to_bytes(1000));
  REQUIRE(result.evicted.size() == 1);
  CHECK(result.evicted[0].key.empty());
  CHECK(result.bytes_freed == 1000);
  CHECK(content_of(cache.get("0", forbidden())) == "refreshed");
}

TEST_CASE_METHOD(fixture, "a dry run tells what would go, and nothing goes") {
  fill({5, 9, 1});
  eviction_limits limits = to_bytes(1000);
  limits.dry_run = true;
  const eviction_result told = cache.evict(limits);
  CHECK(keys() == "012");
  CHECK(contents() == 3);
  const eviction_result done = cache.evict(to_bytes(1000));
  REQUIRE(told.evicted.size() == 2);
  REQUIRE(done.evicted.size() == 2);
  CHECK(told.evicted[0].key == done.evicted[0].key);
  CHECK(told.bytes_freed == done.bytes_freed);
  CHECK(told.bytes_left == done.bytes_left);
}

TEST_CASE_METHOD(fixture, "a key that is being fetched is busy and stays, from inside the fetch function as well") {
  fill({5, 9});
  eviction_result result;
  const auto fetch = [&](fetch_sink& sink) {
    result = cache.evict(to_bytes(0));
    sink.write("new");
  };
  (void)cache.get("1", fetch, fetch_policy::always());
  REQUIRE(result.evicted.size() == 1);
  CHECK(result.evicted[0].key == "0");
  CHECK(only_reason(result) == keep_reason::busy);
  testing::signal_pipe inside;
  testing::signal_pipe resume;
  testing::child_process other([&] {
    (void)cache.get(
        "1",
        [&](fetch_sink& sink) {
          inside.send();
          resume.receive();
          sink.write("newer");
        },
        fetch_policy::always());
    return 0;
  });
  inside.receive();
  CHECK(only_reason(cache.evict(to_bytes(0))) == keep_reason::busy);
  resume.send();
  CHECK(other.wait() == 0);
  CHECK(content_of(cache.get("1", forbidden())) == "newer");
}

TEST_CASE_METHOD(fixture, "lost lock files and lost contents are no errors for an eviction") {
  fill({5, 9, 1});
  fs::remove_all(directory / "l");
  fs::remove(cache.get("1", forbidden()).path());
  eviction_limits all = to_bytes(0);
  all.max_age = 0s;  // a key without a content counts no bytes
  CHECK(cache.evict(all).kept.empty());
  CHECK(testing::files_of_cache(directory).empty());
  CHECK(cache.evict(to_bytes(0)).evicted.empty());
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;

namespace {

/// Evicts everything in another process that stops at its `nth` call named `call`; `meanwhile` runs then.
int evict_with(mirror_cache& cache, const char* call, std::uint64_t nth, const std::function<void()>& meanwhile,
               const std::function<bool(const eviction_result&)>& check, std::chrono::nanoseconds grace = 0s) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process evictor([&] {
    fault::arm({.what = fault::action::stop,
                .name = call,
                .nth = nth,
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    eviction_limits limits = to_bytes(0);
    limits.grace = grace;
    return check(cache.evict(limits)) ? 0 : 1;
  });
  reached.receive();
  meanwhile();
  resume.send();
  return evictor.wait();
}

}  // namespace

TEST_CASE_METHOD(fixture, "a key that was used or refreshed after an eviction had chosen it stays") {
  fill({5});
  const auto was_used = [](const eviction_result& result) {
    return result.evicted.empty() && result.kept.size() == 1 && result.kept[0].why == keep_reason::used;
  };
  // The first two locks of an eviction are its own and the key's.
  CHECK(evict_with(cache, "flock", 2, [&] { (void)cache.get("0", forbidden()); }, was_used) == 0);
  CHECK(keys() == "0");
  set_last_use(directory, "0", 5h);
  const auto refresh = [&] { (void)cache.get("0", brings("new"), fetch_policy::always()); };
  const auto kept_key = [&](const eviction_result& result) {
    return std::ranges::none_of(result.evicted, [](const auto& each) { return each.key == "0"; });
  };
  CHECK(evict_with(cache, "flock", 2, refresh, kept_key) == 0);
  CHECK(content_of(cache.get("0", forbidden())) == "new");
}

TEST_CASE_METHOD(fixture, "what came while an eviction looked is within the grace time") {
  fill({5});
  const auto kept_all = [](const eviction_result& result) {
    return result.evicted.empty() &&
           std::ranges::all_of(result.kept, [](const auto& each) { return each.why == keep_reason::young; });
  };
  // Some of the first looks are its lock's, the next are at contents: then their names have been listed, those of keys not.
  for (const char* key : {"1", "2", "3", "4", "5"}) {
    const auto comes = [&] { (void)cache.get(key, brings(std::string("new ") + key)); };
    CHECK(evict_with(cache, "statx", static_cast<std::uint64_t>(*key - '0'), comes, kept_all, 1h) == 0);
    CHECK(content_of(cache.get(key, forbidden())) == std::string("new ") + key);
  }
}

TEST_CASE_METHOD(fixture, "one eviction at a time: a second one says so and does nothing") {
  fill({5});
  const auto second = [&] {
    const eviction_result result = cache.evict(to_bytes(0));
    CHECK(result.another_at_work);
    CHECK(result.evicted.empty());
    CHECK(keys() == "0");
  };
  const auto first = [](const eviction_result& result) { return result.evicted.size() == 1; };
  CHECK(evict_with(cache, "flock", 2, second, first) == 0);
  CHECK(keys().empty());
}

TEST_CASE_METHOD(fixture, "an unlink that finds the name gone is a success, for eviction, removal and sweep") {
  for (const char* what : {"evict", "remove", "sweep"}) {
    fill({5});
    if (std::string(what) == "sweep") (void)cache.get("0", brings("refreshed"), fetch_policy::always());
    fault::arm({.what = fault::action::fail, .name = "unlinkat", .times = 100, .error = ENOENT});
    std::error_code code = testing::code_of([&] {
      if (std::string(what) == "evict") (void)cache.evict(to_bytes(0));
      if (std::string(what) == "remove") (void)cache.remove("0");
      if (std::string(what) == "sweep") (void)cache.verify(true);
    });
    const bool fired = fault::fired();
    fault::disarm();
    INFO(what);
    CHECK(fired);
    CHECK_FALSE(code);
    CHECK_FALSE(testing::code_of([&] { (void)cache.evict(to_bytes(0)); }));
    CHECK(testing::files_of_cache(directory).empty());
  }
}

TEST_CASE_METHOD(fixture, "a hit costs two opens and two looks, and touches no lock") {
  fill({0});
  (void)cache.get("0", forbidden());
  for (const hit_check check : {hit_check::size, hit_check::stat}) {
    mirror_cache checking(directory, {.check = check});
    (void)checking.get("0", forbidden());
    fault::start_recording();
    (void)checking.get("0", forbidden());
    const auto calls = fault::stop_recording();
    const auto count = [&](const char* name) { return std::count(calls.begin(), calls.end(), name); };
    CHECK(count("openat") == 2);
    CHECK(count("fstat") == 2);
    CHECK(count("utimensat") == 0);
    CHECK(count("flock") + count("fcntl") + count("futex") == 0);
    CHECK(calls.size() == 5);  // and the record is read
  }
  set_last_use(directory, "0", 2h);
  fault::start_recording();
  (void)cache.get("0", forbidden());
  (void)cache.get("0", forbidden());
  const auto calls = fault::stop_recording();
  CHECK(std::count(calls.begin(), calls.end(), "utimensat") == 1);
}
#endif
