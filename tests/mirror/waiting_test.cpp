// Those who wait for another's fetch: what they see of it, and how they can do without.

#include <signal.h>

#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/key_record.hpp"
#include "mirror/progress_note.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::child_process;
using testing::code_of;
using testing::content_of;
using testing::forbidden;
using testing::signal_pipe;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  signal_pipe begun;
  signal_pipe go_on;

  /// Brings a byte now and then, until it is told to go on.
  child_process slow_fetcher() {
    return child_process([this] {
      const auto fetch = [this](fetch_sink& sink) {
        begun.send();
        while (!go_on.ready(5)) sink.write("x");
        sink.expect_size(sink.size());
      };
      (void)mirror_cache(directory).get("key", fetch);
      return 0;
    });
  }
  bool has_note() const {
    for (const auto& entry : fs::recursive_directory_iterator(directory / "l")) {
      if (entry.path().extension() == ".progress") return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "who waits for another's fetch sees it come further, and the note goes with the fetch") {
  mirror_cache cache(directory);
  child_process fetcher = slow_fetcher();
  begun.receive();
  std::vector<std::uint64_t> seen;
  int notices = 0;
  request_options request;
  request.on_wait = [&](const std::string&, const owner&) { ++notices; };
  request.on_wait_progress = [&](const fetch_progress& now) {
    CHECK_FALSE(now.total);
    seen.push_back(now.bytes);
    if (seen.size() == 3) go_on.send();
  };
  const cache_entry entry = cache.get("key", forbidden(), fetch_policy::if_missing(), request);
  CHECK(fetcher.wait() == 0);
  REQUIRE(seen.size() >= 3);
  CHECK(seen[0] > 0);
  CHECK(seen[0] < seen[1]);
  CHECK(seen[1] < seen[2]);
  CHECK(seen.back() <= entry.size());
  CHECK(notices == 1);
  CHECK_FALSE(has_note());
}

TEST_CASE_METHOD(fixture, "waiting with progress ends at the deadline and by a stop, as it does without") {
  mirror_cache cache(directory);
  child_process fetcher = slow_fetcher();
  begun.receive();
  request_options request;
  request.on_wait_progress = [](const fetch_progress&) {};
  for (const auto wait : {0ms, 30ms, 500ms}) {
    request.until = deadline::after(wait);
    const auto get = [&] { (void)cache.get("key", forbidden(), fetch_policy::if_missing(), request); };
    CHECK(code_of(get) == errc::timed_out);
  }
  std::stop_source stopping;
  request.until = deadline::never();
  request.stop = stopping.get_token();
  request.on_wait_progress = [&](const fetch_progress&) { stopping.request_stop(); };
  const auto get = [&] { (void)cache.get("key", forbidden(), fetch_policy::if_missing(), request); };
  CHECK(code_of(get) == std::errc::operation_canceled);
  go_on.send();
  CHECK(fetcher.wait() == 0);
}

TEST_CASE_METHOD(fixture, "the note of a killed fetch goes when the next begins") {
  mirror_cache cache(directory);
  child_process fetcher = slow_fetcher();
  begun.receive();
  request_options request;
  request.on_wait_progress = [&](const fetch_progress&) { fetcher.signal(SIGKILL); };
  (void)cache.get("key", brings("next"), fetch_policy::if_missing(), request);
  CHECK(fetcher.wait() == 128 + SIGKILL);
  CHECK_FALSE(has_note());
}

TEST_CASE("a note of progress that was read half old, half new counts as none") {
  const std::string one = detail::format_progress({12'345, 99'999});
  const std::string two = detail::format_progress({23'456, std::nullopt});
  CHECK(one.size() == two.size());
  CHECK(detail::parse_progress(one)->bytes == 12'345);
  CHECK(detail::parse_progress(one)->total == 99'999);
  CHECK(detail::parse_progress(two)->bytes == 23'456);
  CHECK_FALSE(detail::parse_progress(two)->total);
  for (std::size_t n = 0; n <= one.size(); ++n) {
    const std::string torn = one.substr(0, n) + two.substr(n);
    CHECK(detail::parse_progress(torn).has_value() == (torn == one || torn == two));
    CHECK(detail::parse_progress(one.substr(0, n)).has_value() == (n == one.size()));
  }
  CHECK_FALSE(detail::parse_progress(std::string(one.size(), '\0')));
  CHECK_FALSE(detail::parse_progress(std::string(one.size(), '0')));
}

TEST_CASE_METHOD(fixture, "who does not want to wait longer fetches beside the other, and pretends no lock") {
  mirror_cache cache(directory);
  child_process fetcher = slow_fetcher();
  begun.receive();
  request_options request;
  request.unlocked_after = 20ms;
  const cache_entry entry = cache.get("key", brings("mine"), fetch_policy::if_missing(), request);
  CHECK(content_of(entry) == "mine");
  const auto record = [&] {
    return detail::parse_key_record(testing::read_file(testing::only_file(directory, 'k'))).value();
  };
  CHECK(record().generation == 0);
  CHECK(cache.fetch_and_mirror("key", place / "mirror", brings("again"), fetch_policy::always(), {}, request)
            .entry.fetched_here());
  CHECK(testing::read_file(place / "mirror") == "again");
  request.until = deadline::after(10ms);  // the deadline of the request is not prolonged by it
  request.unlocked_after = 1h;
  const auto get = [&] { (void)cache.get("key", forbidden(), fetch_policy::always(), request); };
  CHECK(code_of(get) == errc::timed_out);
  go_on.send();
  CHECK(fetcher.wait() == 0);
  CHECK(content_of(cache.get("key", forbidden())).front() == 'x');  // whole, whoever was last
  CHECK(record().generation > 0);
  CHECK(cache.verify().empty());
}
