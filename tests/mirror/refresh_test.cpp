// Refreshing by asking the source whether anything has changed.

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/key_record.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::code_of;
using testing::content_of;
using testing::forbidden;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A source with a version: brings its text, or says that nothing was modified.
struct source {
  std::string text = "first";
  std::string etag = "\"1\"";
  std::optional<std::chrono::seconds> fresh_for{};
  int bodies = 0;
  int asked = 0;

  fetch_function fetch() {
    return [this](fetch_sink& sink) {
      ++asked;
      if (fresh_for) sink.set_expiry(std::chrono::system_clock::now() + *fresh_for);
      if (sink.cached() && sink.cached()->validators.etag == etag) {
        sink.not_modified();
        return;
      }
      ++bodies;
      sink.set_validators({etag, "", "from " + etag});
      sink.write(text);
    };
  }
};

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  mirror_cache cache{directory};
  source origin;

  cache_entry refresh() { return cache.get("key", origin.fetch(), fetch_policy::always()); }
  detail::key_record record() const {
    return detail::parse_key_record(testing::read_file(testing::only_file(directory, 'k'))).value();
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "a refresh of what was not modified brings nothing, and counts as fetched now") {
  const cache_entry first = refresh();
  const cache_entry second = refresh();
  CHECK(origin.asked == 2);
  CHECK(origin.bodies == 1);
  CHECK(second.fetched_here());
  CHECK(second.fetched_at() > first.fetched_at());
  CHECK(second.path() == first.path());
  CHECK(content_of(second) == "first");
  CHECK(record().validators == content_validators{"\"1\"", "", "from \"1\""});  // for the next one
  origin = {.text = "second", .etag = "\"2\""};
  CHECK(content_of(refresh()) == "second");
  CHECK(origin.bodies == 1);
  CHECK(cache.verify().empty());
}

TEST_CASE_METHOD(fixture, "a fetch function is told of nothing that is missing, damaged, or not what was promised") {
  std::optional<cached_version> told;
  const auto look = [&](fetch_sink& sink) {
    told = sink.cached();
    sink.set_validators({"\"1\"", "", ""});
    sink.write("content");
  };
  (void)cache.get("key", look);
  CHECK_FALSE(told);
  (void)cache.get("key", look, fetch_policy::always());
  REQUIRE(told);
  CHECK(told->size == 7);
  CHECK(told->sha256 == record().sha256);
  testing::damage(testing::only_file(directory, 'b'), "cont");
  (void)cache.get("key", look, fetch_policy::always());
  CHECK_FALSE(told);
  request_options other;
  other.sha256 = std::string(64, '0');
  CHECK(code_of([&] { (void)cache.get("key", look, fetch_policy::always(), other); }) == errc::integrity_mismatch);
  CHECK_FALSE(told);
}

TEST_CASE_METHOD(fixture, "not_modified is wrong without a cached content, and beside one that is written") {
  const auto lying = [](fetch_sink& sink) { sink.not_modified(); };
  CHECK(code_of([&] { (void)cache.get("key", lying); }) == std::errc::invalid_argument);
  const auto careless = [](fetch_sink& sink) {
    CHECK(code_of([&] { sink.not_modified(); }) == std::errc::invalid_argument);
    sink.write("x");
  };
  CHECK(code_of([&] { (void)cache.get("key", careless); }) == std::errc::invalid_argument);
  (void)refresh();
  const auto both = [](fetch_sink& sink) {
    sink.not_modified();
    sink.write("x");
  };
  CHECK(code_of([&] { (void)cache.get("key", both, fetch_policy::always()); }) == std::errc::invalid_argument);
  CHECK(content_of(cache.get("key", forbidden())) == "first");
}

TEST_CASE_METHOD(fixture,
                 "what was declared not modified and has gone meanwhile is put back, or fetched if it was damaged") {
  std::vector<bool> told;
  const auto refresh_after = [&](const std::function<void(const fs::path&)>& accident) {
    (void)cache.get("key", testing::brings("first"), fetch_policy::always());
    (void)cache.verify(true);
    told.clear();
    const auto fetch = [&](fetch_sink& sink) {
      told.push_back(sink.cached().has_value());
      if (!sink.cached()) return sink.write("fetched");
      accident(testing::only_file(directory, 'b'));
      sink.not_modified();
    };
    const std::string found = content_of(cache.get("key", fetch, fetch_policy::always()));
    CHECK(cache.verify(true).empty());
    return found;
  };
  CHECK(refresh_after([](const fs::path& content) { fs::remove(content); }) == "first");  // as an eviction would
  CHECK(told == std::vector<bool>{true});
  const auto damaged = [](const fs::path& content) {
    testing::damage(content, "FIRST");
    fs::remove(content);
  };
  CHECK(refresh_after(damaged) == "fetched");
  CHECK(told == std::vector<bool>{true, false});
  CHECK(refresh_after([](const fs::path& content) { testing::damage(content, "fir"); }) == "fetched");
  CHECK(told == std::vector<bool>{true, false});
}

TEST_CASE_METHOD(fixture, "what a layer has and its source has not modified is taken over from the layer") {
  (void)refresh();
  mirror_cache upper(place / "upper", {.layers = {directory}});
  const cache_entry entry = upper.get("key", origin.fetch(), fetch_policy::always());
  CHECK(origin.bodies == 1);
  CHECK(content_of(entry) == "first");
  CHECK(entry.path().native().starts_with((place / "upper").native()));
  CHECK(upper.verify().empty());
  (void)upper.get("key", origin.fetch(), fetch_policy::always());
  CHECK(origin.asked == 3);
  CHECK(origin.bodies == 1);
}

TEST_CASE_METHOD(fixture, "if_stale asks the source once the time that it gave has passed, and whenever it gave none") {
  origin.fresh_for = 1h;
  const auto get = [&] { return content_of(cache.get("key", origin.fetch(), fetch_policy::if_stale())); };
  CHECK(get() == "first");
  CHECK(get() == "first");
  CHECK(origin.asked == 1);
  origin.fresh_for = -1h;
  (void)refresh();
  CHECK(get() == "first");
  CHECK(get() == "first");
  CHECK(origin.asked == 4);
  origin.fresh_for = 1h;  // a 304 makes it fresh again
  CHECK(get() == "first");
  CHECK(get() == "first");
  CHECK(origin.asked == 5);
  CHECK(origin.bodies == 1);
  origin.fresh_for.reset();
  (void)refresh();
  CHECK(get() == "first");
  CHECK(origin.asked == 7);
}

TEST_CASE_METHOD(fixture, "a content of the future is stale, whatever was said of it") {
  origin.fresh_for = 1h;
  (void)refresh();
  auto future = record();
  future.fetched_at += 24h;
  *future.expires += 24h;
  testing::damage(testing::only_file(directory, 'k'), detail::format_key_record(future));
  (void)cache.get("key", origin.fetch(), fetch_policy::if_stale());
  CHECK(origin.asked == 2);
}

TEST_CASE_METHOD(fixture, "who waits for a refresh that finds nothing modified shares its answer") {
  (void)refresh();
  testing::signal_pipe begun;
  testing::signal_pipe go_on;
  testing::child_process refreshing([&] {
    const auto fetch = [&](fetch_sink& sink) {
      begun.send();
      go_on.receive();
      sink.write("other");
    };
    (void)mirror_cache(directory).get("key", fetch, fetch_policy::always());
    return 0;
  });
  begun.receive();
  testing::signal_pipe waits;
  const testing::shared_log log(place / "log");
  std::vector<testing::child_process> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      request_options request;
      request.on_wait = [&](const std::string&, const owner&) { waits.send(); };
      const auto fetch = [&](fetch_sink& sink) {
        log.append("asked");
        sink.not_modified();
      };
      const cache_entry entry = mirror_cache(directory).get("key", fetch, fetch_policy::always(), request);
      return content_of(entry) == "other" ? 0 : 1;
    });
  }
  for (int i = 0; i < 3; ++i) waits.receive();
  go_on.send();
  CHECK(refreshing.wait() == 0);
  for (auto& waiter : waiters) CHECK(waiter.wait() == 0);
  CHECK(log.lines().size() == 1);
}
