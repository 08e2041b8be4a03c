#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/file.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::forbidden;

namespace {

/// Whether the cache in `place` holds nothing of a fetch that failed.
bool is_clean(const testing::scratch_directory& place) {
  return testing::files_of_cache(place / "cache").empty();
}

}  // namespace

TEST_CASE("a fetch function's exception passes through and leaves the cache as it was") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const auto broken = [](fetch_sink& sink) {
    sink.write("half");
    throw std::out_of_range("connection lost");
  };
  CHECK_THROWS_AS(cache.get("key", broken), std::out_of_range);
  CHECK(is_clean(place));
  (void)cache.get("key", brings("old"));
  CHECK_THROWS_AS(cache.get("key", broken, fetch_policy::always()), std::out_of_range);
  CHECK(content_of(cache.get("key", forbidden())) == "old");
}

TEST_CASE("no fetch function is a clear error, but only when one is needed") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  CHECK(code_of([&] { (void)cache.get("key", {}); }) == errc::fetch_failed);
  (void)cache.get("key", brings("x"));
  CHECK(content_of(cache.get("key", {})) == "x");
}

TEST_CASE("a content of another size or digest than promised is refused and left nowhere") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const auto announcing = [](std::uint64_t size) {
    return [size](fetch_sink& sink) {
      sink.expect_size(size);
      sink.write("content");
    };
  };
  CHECK(code_of([&] { (void)cache.get("key", announcing(8)); }) == errc::integrity_mismatch);
  CHECK(code_of([&] { (void)cache.get("key", announcing(6)); }) == errc::integrity_mismatch);
  request_options wanted;
  wanted.sha256 = std::string(64, '0');
  CHECK(code_of([&] { (void)cache.get("key", brings("content"), fetch_policy::if_missing(), wanted); }) ==
        errc::integrity_mismatch);
  CHECK(is_clean(place));
  CHECK(content_of(cache.get("key", announcing(7))) == "content");
}

TEST_CASE("what the sink has refused is not forgotten when the fetch function does not care") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const auto careless = [](fetch_sink& sink) {
    sink.expect_size(7);
    CHECK(code_of([&] { sink.write("more than that"); }) == errc::integrity_mismatch);
    CHECK(code_of([&] { sink.write("content"); }) == errc::integrity_mismatch);
  };
  CHECK(code_of([&] { (void)cache.get("key", careless); }) == errc::integrity_mismatch);
  CHECK(is_clean(place));
}

TEST_CASE("a size that no disk has is refused early") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  for (const std::uint64_t size : {std::uint64_t{1} << 62U, ~std::uint64_t{0}}) {
    CHECK(code_of([&] { (void)cache.get("key", [&](fetch_sink& sink) { sink.expect_size(size); }); }));
  }
  CHECK(is_clean(place));
}

TEST_CASE("a fetch can start again from nothing") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry entry = cache.get("key", [](fetch_sink& sink) {
    sink.expect_size(100);
    sink.write("a broken transfer");
    sink.restart();
    CHECK(sink.size() == 0);
    sink.write("con");
    sink.write("tent");
    CHECK(sink.size() == 7);
  });
  CHECK(content_of(entry) == "content");
  CHECK(entry.sha256() == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
}

TEST_CASE("progress is told with what is known of the whole") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  std::vector<std::pair<std::uint64_t, std::optional<std::uint64_t>>> seen;
  request_options request;
  request.on_progress = [&](const fetch_progress& at) { seen.emplace_back(at.bytes, at.total); };
  const auto fetch = [](fetch_sink& sink) {
    sink.write("1");
    sink.expect_size(3);
    sink.write("23");
  };
  (void)cache.get("key", fetch, fetch_policy::if_missing(), request);
  CHECK(seen == decltype(seen){{1, std::nullopt}, {1, 3}, {3, 3}});
  request.on_progress = [](const fetch_progress&) { throw std::domain_error("window closed"); };
  CHECK_THROWS_AS(cache.get("other", fetch, fetch_policy::if_missing(), request), std::domain_error);
}

TEST_CASE("a fetch function that was told to give up is not believed to be complete") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  std::stop_source stopping;
  request_options request;
  request.stop = stopping.get_token();
  const auto obedient = [&](fetch_sink& sink) {
    sink.write("half");
    CHECK_FALSE(sink.cancelled());
    stopping.request_stop();
    if (sink.cancelled()) return;
    sink.write("other half");
  };
  CHECK(code_of([&] { (void)cache.get("key", obedient, fetch_policy::if_missing(), request); }) ==
        std::errc::operation_canceled);
  CHECK(is_clean(place));
}

TEST_CASE("a deadline that had passed on arrival forbids waiting, not fetching") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  request_options request;
  request.until = deadline();
  const auto fetch = [](fetch_sink& sink) {
    if (!sink.cancelled()) sink.write("content");
  };
  CHECK(content_of(cache.get("key", fetch, fetch_policy::if_missing(), request)) == "content");
}

TEST_CASE("a deadline that passes during the fetch is told to it") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  request_options request;
  request.until = deadline::after(std::chrono::milliseconds(300));
  const auto patient = [&](fetch_sink& sink) {
    while (!sink.cancelled()) std::this_thread::yield();
  };
  CHECK(code_of([&] { (void)cache.get("key", patient, fetch_policy::if_missing(), request); }) == errc::timed_out);
  CHECK(is_clean(place));
}

TEST_CASE("a fetch function may use the cache for other keys, but not wait for its own") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  mirror_cache same(place / "cache" / ".." / "cache");
  std::error_code own;
  std::error_code through_other;
  const cache_entry outer = cache.get("outer", [&](fetch_sink& sink) {
    request_options patient;
    patient.until = deadline::after(std::chrono::hours(1));
    own = code_of([&] { (void)cache.get("outer", forbidden(), fetch_policy::if_missing(), patient); });
    through_other = code_of([&] { (void)same.remove("outer"); });
    sink.write("outer of " + content_of(cache.get("inner", brings("inner"))));
  });
  CHECK(own == errc::would_deadlock);
  CHECK(through_other == errc::would_deadlock);
  CHECK(content_of(outer) == "outer of inner");
  // During a refresh of a cached key, a hit needs no lock and so can't deadlock.
  const cache_entry again = cache.get(
      "outer", [&](fetch_sink& sink) { sink.write(content_of(cache.get("outer", forbidden())) + "!"); },
      fetch_policy::always());
  CHECK(content_of(again) == "outer of inner!");
}

TEST_CASE("a fetch function may start threads that use the cache") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry entry = cache.get("key", [&](fetch_sink& sink) {
    std::string part;
    std::thread([&] { part = content_of(cache.get("part", brings("part"))); }).join();
    sink.write(part);
  });
  CHECK(content_of(entry) == "part");
}

TEST_CASE("a child forked by the fetch function keeps no way to write into the content") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  testing::signal_pipe done;
  std::vector<testing::child_process> children;
  const cache_entry entry = cache.get("key", [&](fetch_sink& sink) {
    sink.write("content");
    children.emplace_back([&] {  // holds a copy of every descriptor while the content is published
      done.close_write();
      char byte = 0;
      return ::read(done.read_end(), &byte, 1) == 0 ? 0 : 1;
    });
  });
  std::error_code ec;
  CHECK(platform::is_sealed(entry.native_handle(), ec));
  CHECK_FALSE(ec);
  CHECK(content_of(entry) == "content");
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
  done.close_write();
  CHECK(children.front().wait() == 0);
}

TEST_CASE("a child that returns from the fetch function publishes nothing and releases nothing") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const int parent = ::getpid();
  int status = -1;
  cache_entry entry = cache.get("other", brings("other"));
  try {
    entry = cache.get("key", [&](fetch_sink& sink) {
      sink.write("con");
      const int child = ::fork();
      if (child == 0) {
        if (!code_of([&] { sink.write("junk of the child"); })) ::_exit(3);
        return;
      }
      ::waitpid(child, &status, 0);
      sink.write("tent");
    });
  } catch (...) {
    if (::getpid() != parent) ::_exit(testing::files_of_cache(place / "cache").size() == 2 ? 42 : 4);
    throw;
  }
  if (::getpid() != parent) ::_exit(5);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
  CHECK(content_of(entry) == "content");
}
