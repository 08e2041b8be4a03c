#include <algorithm>
#include <chrono>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/key_record.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::forbidden;

TEST_CASE("if_missing fetches once and serves what is cached") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  int calls = 0;
  const cache_entry first = cache.get("key", brings("content", &calls));
  CHECK(first.fetched_here());
  CHECK(first.key() == "key");
  CHECK(first.size() == 7);
  CHECK(first.sha256() == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
  CHECK(content_of(first) == "content");
  CHECK(testing::read_file(first.path()) == "content");
  const cache_entry second = cache.get("key", brings("other", &calls));
  CHECK_FALSE(second.fetched_here());
  CHECK(content_of(second) == "content");
  CHECK(second.fetched_at() == first.fetched_at());
  CHECK(calls == 1);
}

TEST_CASE("always fetches each time, and the old content stays readable through its entry") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry old = cache.get("key", brings("old"));
  const cache_entry now = cache.get("key", brings("new"), fetch_policy::always());
  CHECK(content_of(now) == "new");
  CHECK(content_of(old) == "old");
  CHECK(content_of(cache.get("key", forbidden())) == "new");
}

TEST_CASE("never serves what is cached and names the key that is not") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  CHECK(code_of([&] { (void)cache.get("some key", {}, fetch_policy::never()); }) == errc::not_cached);
  try {
    (void)cache.get("some key", {}, fetch_policy::never());
  } catch (const error& failure) {
    CHECK(std::string(failure.what()).find("some%20key") != std::string::npos);
  }
  (void)cache.get("some key", brings("x"));
  CHECK(content_of(cache.get("some key", {}, fetch_policy::never())) == "x");
}

TEST_CASE("if_older_than fetches what is older") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  int calls = 0;
  (void)cache.get("key", brings("1", &calls));
  using namespace std::chrono_literals;
  CHECK(content_of(cache.get("key", brings("2", &calls), fetch_policy::if_older_than(1h))) == "1");
  CHECK(content_of(cache.get("key", brings("3", &calls), fetch_policy::if_older_than(0ns))) == "3");
  CHECK(content_of(cache.get("key", brings("4", &calls), fetch_policy::if_older_than(-1h))) == "4");
  CHECK(calls == 3);
}

TEST_CASE("if_older_than goes by the recorded time, and takes a content of the future for old") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  using namespace std::chrono_literals;
  (void)cache.get("key", brings("1"));
  const auto fetches_after = [&](std::chrono::minutes step) {
    const auto file = testing::only_file(place / "cache", 'k');
    auto record = detail::parse_key_record(testing::read_file(file)).value();
    record.fetched_at = std::chrono::system_clock::now() + step;
    testing::damage(file, detail::format_key_record(record));
    int calls = 0;
    (void)cache.get("key", brings("1", &calls), fetch_policy::if_older_than(1h));
    return calls;
  };
  CHECK(fetches_after(-120min) == 1);
  CHECK(fetches_after(-30min) == 0);
  CHECK(fetches_after(+120min) == 1);
}

TEST_CASE("a cached content with another digest than the wanted one counts as missing") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("content"));
  request_options wanted;
  wanted.sha256 = "ED7002B439E9AC845F22357D822BAC1444730FBDB6016D3EC9432297B9EC9F73";  // either case
  CHECK(content_of(cache.get("key", forbidden(), fetch_policy::if_missing(), wanted)) == "content");
  (void)cache.get("key", brings("other"), fetch_policy::always());
  CHECK(code_of([&] { (void)cache.get("key", {}, fetch_policy::never(), wanted); }) == errc::not_cached);
  CHECK(content_of(cache.get("key", brings("content"), fetch_policy::if_missing(), wanted)) == "content");
  wanted.sha256 = "123";
  CHECK(code_of([&] { (void)cache.get("key", {}, fetch_policy::if_missing(), wanted); }) ==
        std::errc::invalid_argument);
}

TEST_CASE("keys never become file names, and unusable ones are refused everywhere") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  for (const std::string& key : {std::string("../../x"), std::string("/etc/passwd"), std::string("."),
                                 std::string("a/b\nc"), std::string(1024, 'k')}) {
    CHECK(content_of(cache.get(key, brings(key))) == key);
  }
  CHECK(cache.list().size() == 5);
  CHECK(place.names() == std::set<std::string>{"cache"});
  for (const std::string& key : {std::string(), std::string("a\0b", 3), std::string(1025, 'k')}) {
    CHECK(code_of([&] { (void)cache.get(key, brings("x")); }) == errc::invalid_name);
    CHECK(code_of([&] { (void)cache.get(key, brings("x"), fetch_policy::never()); }) == errc::invalid_name);
    CHECK(code_of([&] { (void)cache.remove(key); }) == errc::invalid_name);
  }
}

TEST_CASE("an empty content is a content") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  CHECK(cache.get("key", brings("")).fetched_here());
  CHECK_FALSE(cache.get("key", forbidden()).fetched_here());
}

TEST_CASE("two keys with one content share its file, and removing one leaves it to the other") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry a = cache.get("a", brings("same"));
  const cache_entry b = cache.get("b", brings("same"));
  CHECK(a.path() == b.path());
  CHECK(cache.remove("a"));
  CHECK(content_of(cache.get("b", forbidden())) == "same");
  CHECK(cache.remove("b"));
  CHECK(testing::files_of_cache(place / "cache").empty());
  CHECK_FALSE(cache.remove("b"));
  CHECK(content_of(a) == "same");
}

TEST_CASE("list tells every key with digest, size and time") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  CHECK(cache.list().empty());
  const cache_entry entry = cache.get("k\n1", brings("one"));
  (void)cache.get("k2", brings("two!"));
  auto keys = cache.list();
  REQUIRE(keys.size() == 2);
  if (keys[0].key != "k\n1") std::swap(keys[0], keys[1]);
  CHECK(keys[0].key == "k\n1");
  CHECK(keys[0].sha256 == entry.sha256());
  CHECK(keys[0].fetched_at == entry.fetched_at());
  CHECK(keys[1].size == 4);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("a miss syncs what its durability level promises") {
  for (const auto& [level, syncs] :
       {std::pair(durability::visible, 0), std::pair(durability::consistent, 2), std::pair(durability::durable, 4)}) {
    testing::scratch_directory place;
    mirror_cache cache(place / "cache", {.level = level});
    lockkit::platform::fault::start_recording();
    (void)cache.get("key", brings("content"));
    const auto calls = lockkit::platform::fault::stop_recording();
    CHECK(std::count(calls.begin(), calls.end(), "fsync") == syncs);
    const auto synced = std::find(calls.begin(), calls.end(), "fsync");
    const auto sealed = std::find(calls.begin(), calls.end(), "fchmod");
    if (syncs > 0) CHECK(sealed < synced);  // the permissions are part of what is synced
  }
}

TEST_CASE("a hit takes no lock and makes five system calls") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("content"));
  lockkit::platform::fault::start_recording();
  (void)cache.get("key", forbidden());
  const auto calls = lockkit::platform::fault::stop_recording();
  CHECK(calls == std::vector<std::string>{"openat", "fstat", "pread64", "openat", "fstat"});
}
#endif
