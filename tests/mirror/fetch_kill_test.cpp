// Kill at every system call of a refresh that brings nothing, of keeping a part and of going on with it. (A refresh that
// brings something: crash_test.cpp.)

#include <sys/stat.h>

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
namespace fs = std::filesystem;

namespace {

const content_validators version{"\"1\"", "", ""};
const std::string whole = "0123456789 and the rest";

void bring_old(fetch_sink& sink) {
  sink.set_validators(version);
  sink.write("old");
}

void find_unmodified(fetch_sink& sink) {
  if (sink.cached() && sink.cached()->validators == version) return sink.not_modified();
  bring_old(sink);
}

/// Brings ten bytes, to be gone on with, and breaks.
void break_off(fetch_sink& sink) {
  sink.expect_size(whole.size());
  sink.keep_partial(version);
  sink.write(whole.substr(0, 10));
  throw std::runtime_error("connection lost");
}

void go_on(fetch_sink& sink) {
  if (const auto left = sink.partial(); left && left->validators == version) sink.resume();
  if (sink.size() == 0) sink.keep_partial(version);
  sink.write(std::string_view(whole).substr(sink.size()));
}

struct fixture {
  testing::scratch_directory place{testing::memory_directory()};
  fs::path directory = place / "cache";
  cache_options options{.level = durability::durable};

  std::string current(mirror_cache& cache) const {
    try {
      return content_of(cache.get("key", {}, fetch_policy::never()));
    } catch (const error&) {
      return "none";
    }
  }
  void leave_partial(mirror_cache& cache) const {
    try {
      (void)cache.get("key", break_off, fetch_policy::always());
    } catch (const std::runtime_error&) {
      return;
    }
  }
  bool is_without_leftovers() const { return !fs::exists(directory / "p") || fs::is_empty(directory / "p"); }
  /// Kills `body`; then the key has one of `allowed`, `next` brings `result`, and a repair leaves nothing but that.
  std::size_t sweep(const std::function<void(mirror_cache&)>& prepare, const std::function<void(mirror_cache&)>& body,
                    const std::set<std::string>& allowed, const fetch_function& next, const std::string& result) const {
    return testing::kill_at_every_call(
        [&] {
          fs::remove_all(directory);
          mirror_cache cache(directory, options);
          prepare(cache);
        },
        [&] {
          mirror_cache cache(directory, options);
          body(cache);
        },
        [&](std::size_t point) {
          INFO("killed at call " << point);
          mirror_cache cache(directory, options);
          CHECK(allowed.contains(current(cache)));
          CHECK(cache.verify().empty());
          CHECK(content_of(cache.get("key", next, fetch_policy::always())) == result);
          CHECK(cache.verify(true).empty());
          CHECK(files_of_cache(directory).size() == 2);
          CHECK(is_without_leftovers());
        });
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "killed at any system call of a refresh that finds nothing modified, the content stays") {
  const auto points =
      sweep([](mirror_cache& cache) { (void)cache.get("key", bring_old); },
            [](mirror_cache& cache) { (void)cache.get("key", find_unmodified, fetch_policy::always()); }, {"old"},
            find_unmodified, "old");
  CHECK(points > 40);
}

TEST_CASE_METHOD(fixture, "killed at any system call of keeping a partial content, the next fetch brings the whole") {
  sweep([](mirror_cache&) {}, [&](mirror_cache& cache) { leave_partial(cache); }, {"none"}, go_on, whole);
  sweep([](mirror_cache& cache) { (void)cache.get("key", bring_old); },
        [&](mirror_cache& cache) { leave_partial(cache); }, {"old"}, go_on, whole);
}

TEST_CASE_METHOD(fixture,
                 "killed at any system call of going on, nothing half is visible and the next fetch brings the whole") {
  const auto points = sweep([&](mirror_cache& cache) { leave_partial(cache); },
                            [](mirror_cache& cache) { (void)cache.get("key", go_on); }, {"none", whole}, go_on, whole);
  CHECK(points > 80);
}

TEST_CASE_METHOD(fixture, "killed at any system call of dropping what can't be gone on with, the next fetch works") {
  sweep([&](mirror_cache& cache) { leave_partial(cache); },
        [](mirror_cache& cache) {
          const auto anew = [](fetch_sink& sink) {
            (void)sink.partial();
            sink.write("new");  // as after a 200
          };
          (void)cache.get("key", anew);
        },
        {"none", "new"}, go_on, whole);
}
