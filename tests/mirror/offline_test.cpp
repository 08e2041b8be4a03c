// What is served when nothing can be fetched.

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::forbidden;

namespace {

struct fixture {
  testing::scratch_directory place;
  mirror_cache cache{place / "cache"};
  request_options request;

  cache_entry refresh(const fetch_function& fetch) {
    return cache.get("some key", fetch, fetch_policy::always(), request);
  }
};

void break_down(fetch_sink& sink) {
  sink.write("half");
  throw std::runtime_error("the server is on fire");
}

}  // namespace

TEST_CASE_METHOD(fixture, "offline only: what is cached is served under any policy, and nothing is fetched") {
  (void)cache.get("some key", brings("old"));
  request.offline = offline_mode::only;
  for (const auto policy : {fetch_policy::if_missing(), fetch_policy::always(), fetch_policy::never(),
                            fetch_policy::if_stale(), fetch_policy::if_older_than(std::chrono::nanoseconds(0))}) {
    const cache_entry entry = cache.get("some key", forbidden(), policy, request);
    CHECK(content_of(entry) == "old");
    CHECK_FALSE(entry.fetched_here());
    CHECK(entry.stale_reason().empty());
  }
  CHECK(cache.fetch_and_mirror("some key", place / "mirror", forbidden(), fetch_policy::always(), {}, request).result !=
        mirror_result::unchanged);
}

TEST_CASE_METHOD(fixture, "offline only: a miss is an error that names the key, also for another digest") {
  request.offline = offline_mode::only;
  const auto check_missing = [&] {
    try {
      (void)cache.get("some key", forbidden(), fetch_policy::always(), request);
      FAIL("served");
    } catch (const error& failure) {
      CHECK(failure.code() == errc::not_cached);
      CHECK(std::string(failure.what()).find("some%20key") != std::string::npos);
    }
  };
  check_missing();
  (void)cache.get("some key", brings("old"));
  request.sha256 = std::string(64, '0');
  check_missing();
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}

TEST_CASE_METHOD(fixture, "stale if error: a fetch that fails is answered by what is cached, which says so and why") {
  request.offline = offline_mode::stale_if_error;
  CHECK_THROWS_AS(refresh(break_down), std::runtime_error);  // nothing is cached
  (void)cache.get("some key", brings("old"));
  const cache_entry entry = refresh(break_down);
  CHECK(content_of(entry) == "old");
  CHECK(entry.stale_reason() == "the server is on fire");
  CHECK_FALSE(entry.fetched_here());
  CHECK(refresh(brings("new")).stale_reason().empty());
  CHECK(cache.get("some key", forbidden()).stale_reason().empty());
  request.offline = offline_mode::never;
  CHECK_THROWS_AS(refresh(break_down), std::runtime_error);
  CHECK(testing::files_of_cache(place / "cache").size() == 3);
}

TEST_CASE_METHOD(fixture, "stale if error hides neither a stop nor a deadline") {
  (void)cache.get("some key", brings("old"));
  request.offline = offline_mode::stale_if_error;
  std::stop_source stopping;
  request.stop = stopping.get_token();
  const auto stopped = [&](fetch_sink&) {
    stopping.request_stop();
    throw std::runtime_error("given up");  // without having asked
  };
  CHECK_THROWS_AS(refresh(stopped), std::runtime_error);
  request.stop = {};
  request.until = deadline::after(std::chrono::milliseconds(200));
  const auto slow = [&](fetch_sink& sink) {
    while (!sink.cancelled()) continue;
    throw std::runtime_error("given up");
  };
  CHECK_THROWS_AS(refresh(slow), std::runtime_error);
  request.until = deadline::after(std::chrono::milliseconds(200));
  const auto obedient = [&](fetch_sink& sink) {
    while (!sink.cancelled()) continue;
  };
  CHECK(code_of([&] { (void)refresh(obedient); }) == errc::timed_out);
}

TEST_CASE_METHOD(fixture, "stale if error hides no content that the cache refused, and no lack of memory") {
  (void)cache.get("some key", brings("old"));
  request.offline = offline_mode::stale_if_error;
  const auto too_long = [](fetch_sink& sink) {
    sink.expect_size(3);
    sink.write("four");
  };
  CHECK(code_of([&] { (void)refresh(too_long); }) == errc::integrity_mismatch);
  const auto too_short = [](fetch_sink& sink) { sink.expect_size(3); };
  CHECK(code_of([&] { (void)refresh(too_short); }) == errc::integrity_mismatch);
  const auto own = [](fetch_sink&) { throw error("fetch", "here", errc::integrity_mismatch); };
  CHECK(code_of([&] { (void)refresh(own); }) == errc::integrity_mismatch);
  CHECK_THROWS_AS(refresh([](fetch_sink&) { throw std::bad_alloc(); }), std::bad_alloc);
  const auto swallowed = [](fetch_sink& sink) {
    sink.expect_size(3);
    try {
      sink.write("four");
    } catch (const error&) {
      throw std::runtime_error("something went wrong");
    }
  };
  CHECK_THROWS_AS(refresh(swallowed), std::runtime_error);
  request.sha256 = cache.get("some key", forbidden()).sha256();
  CHECK(code_of([&] { (void)refresh(brings("other")); }) == errc::integrity_mismatch);
  CHECK(content_of(refresh(break_down)) == "old");  // it has the promised digest
}
