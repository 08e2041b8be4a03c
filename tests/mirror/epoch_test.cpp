#include <atomic>
#include <stdexcept>
#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/key_record.hpp"
#include "platform/fault.hpp"
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

namespace {

/// A fetch that says it has begun and brings `text` once it is told to.
fetch_function held_back(const signal_pipe& begun, const signal_pipe& go_on, const std::string& text) {
  return [&begun, &go_on, text](fetch_sink& sink) {
    begun.send();
    go_on.receive();
    sink.write(text);
  };
}

/// A process that fetches `key` by `policy` and stays in its fetch until told to go on.
child_process slow_fetcher(const std::filesystem::path& directory, const signal_pipe& begun, const signal_pipe& go_on,
                           fetch_policy policy = fetch_policy::always()) {
  return child_process([&, policy] {
    mirror_cache cache(directory);
    (void)cache.get("key", held_back(begun, go_on, "first"), policy);
    return 0;
  });
}

request_options telling(const signal_pipe& waits) {
  request_options request;
  request.on_wait = [&waits](const std::string&, const owner&) { waits.send(); };
  return request;
}

}  // namespace

TEST_CASE("under always, requests that wait together share the next fetch, never the running one") {
  testing::scratch_directory place;
  const auto directory = place / "cache";
  const testing::shared_log log(place / "log");
  signal_pipe begun;
  signal_pipe go_on;
  signal_pipe waits;
  child_process first = slow_fetcher(directory, begun, go_on);
  begun.receive();
  std::vector<child_process> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&, i] {
      const auto fetch = [&](fetch_sink& sink) {
        log.append("fetched by " + std::to_string(i));
        sink.write("second");
      };
      const cache_entry entry = mirror_cache(directory).get("key", fetch, fetch_policy::always(), telling(waits));
      return content_of(entry) == "second" ? 0 : 1;
    });
  }
  for (int i = 0; i < 3; ++i) waits.receive();
  go_on.send();
  CHECK(first.wait() == 0);
  for (child_process& waiter : waiters) CHECK(waiter.wait() == 0);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("under if_missing, requests that wait share the running fetch") {
  testing::scratch_directory place;
  const auto directory = place / "cache";
  signal_pipe begun;
  signal_pipe go_on;
  signal_pipe waits;
  child_process first = slow_fetcher(directory, begun, go_on, fetch_policy::if_missing());
  begun.receive();
  child_process waiter([&] {
    const cache_entry entry =
        mirror_cache(directory).get("key", forbidden(), fetch_policy::if_missing(), telling(waits));
    return content_of(entry) == "first" && !entry.fetched_here() ? 0 : 1;
  });
  waits.receive();
  go_on.send();
  CHECK(first.wait() == 0);
  CHECK(waiter.wait() == 0);
}

TEST_CASE("under if_older_than, waiting requests share a fetch even when its time lies in the future") {
  testing::scratch_directory place;
  const auto directory = place / "cache";
  mirror_cache cache(directory);
  signal_pipe begun;
  signal_pipe go_on;
  signal_pipe waits;
  child_process first = slow_fetcher(directory, begun, go_on);
  begun.receive();
  // With a negative age nothing is ever young enough, as with a clock that is wrong for both.
  const testing::shared_log log(place / "log");
  std::vector<child_process> waiters;
  for (int i = 0; i < 2; ++i) {
    waiters.emplace_back([&] {
      const auto fetch = [&](fetch_sink& sink) {
        log.append("fetched");
        sink.write("second");
      };
      const auto policy = fetch_policy::if_older_than(std::chrono::hours(-1));
      return content_of(mirror_cache(directory).get("key", fetch, policy, telling(waits))) == "second" ? 0 : 1;
    });
  }
  waits.receive();
  waits.receive();
  go_on.send();
  CHECK(first.wait() == 0);
  for (child_process& waiter : waiters) CHECK(waiter.wait() == 0);
  CHECK(log.lines().size() == 1);
}

TEST_CASE("a lost lock file does not make an old content look fetched after a request") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("old"));
  std::filesystem::remove_all(place / "cache" / "l");
  CHECK(content_of(cache.get("key", brings("new"), fetch_policy::always())) == "new");
}

TEST_CASE("threads that ask at once fetch once") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  std::atomic<int> calls{0};
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const cache_entry entry = cache.get("key", [&](fetch_sink& sink) {
        ++calls;
        sink.write("content");
      });
      right += content_of(entry) == "content" ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(calls == 1);
  CHECK(right == 8);
}

TEST_CASE("who waits for another's fetch is told for whom, may stop waiting, and is served while it is cached") {
  testing::scratch_directory place;
  const auto directory = place / "cache";
  mirror_cache cache(directory);
  signal_pipe begun;
  signal_pipe go_on;
  child_process holder = slow_fetcher(directory, begun, go_on);
  begun.receive();
  owner seen;
  std::string key;
  std::stop_source stopping;
  request_options request;
  request.stop = stopping.get_token();
  request.on_wait = [&](const std::string& waited_for, const owner& who) {
    key = waited_for;
    seen = who;
    stopping.request_stop();
  };
  CHECK(code_of([&] { (void)cache.get("key", forbidden(), fetch_policy::if_missing(), request); }) ==
        std::errc::operation_canceled);
  CHECK(key == "key");
  CHECK(seen.pid == holder.pid());
  CHECK(seen.label == "key");
  request_options impatient;
  impatient.until = deadline();
  CHECK(code_of([&] { (void)cache.get("key", forbidden(), fetch_policy::if_missing(), impatient); }) ==
        errc::timed_out);
  CHECK(content_of(cache.get("another key", brings("free"))) == "free");
  go_on.send();
  CHECK(holder.wait() == 0);
}

TEST_CASE("a refresh that runs does not keep hits waiting") {
  testing::scratch_directory place;
  const auto directory = place / "cache";
  mirror_cache cache(directory);
  (void)cache.get("key", brings("old"));
  signal_pipe begun;
  signal_pipe go_on;
  child_process refresher = slow_fetcher(directory, begun, go_on);
  begun.receive();
  CHECK(content_of(cache.get("key", forbidden())) == "old");
  CHECK(cache.fetch_and_mirror("key", place / "mirror", forbidden()).result != mirror_result::unchanged);
  go_on.send();
  CHECK(refresher.wait() == 0);
  CHECK(content_of(cache.get("key", forbidden())) == "first");
  CHECK(testing::read_file(place / "mirror") == "old");
}

TEST_CASE("a record that claims to be newer than the own hold of the lock is no answer") {
  // As after a lost lock file and a clock that was set back: numbers say nothing then.
  testing::scratch_directory place;
  const auto directory = place / "cache";
  mirror_cache cache(directory);
  (void)cache.get("key", brings("old"));
  signal_pipe begun;
  signal_pipe go_on;
  child_process failing([&] {
    const auto fetch = [&](fetch_sink&) {
      begun.send();
      go_on.receive();
      throw std::runtime_error("no answer from the server");
    };
    try {
      (void)mirror_cache(directory).get("key", fetch, fetch_policy::always());
    } catch (const std::runtime_error&) {
      return 0;
    }
    return 1;
  });
  begun.receive();
  request_options request;
  request.on_wait = [&](const std::string&, const owner&) {
    const auto file = testing::only_file(directory, 'k');
    auto record = detail::parse_key_record(testing::read_file(file)).value();
    record.generation = ~std::uint64_t{0};
    testing::damage(file, detail::format_key_record(record));
    go_on.send();
  };
  CHECK(content_of(cache.get("key", brings("new"), fetch_policy::always(), request)) == "new");
  CHECK(failing.wait() == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("after a fetch the key stays locked until the mirror stands; a hit holds nothing") {
  namespace fault = lockkit::platform::fault;
  testing::scratch_directory place;
  const auto directory = place / "cache";
  request_options impatient;
  impatient.until = deadline();
  const auto refresh = [&] {
    return code_of([&] { (void)mirror_cache(directory).get("key", brings("x"), fetch_policy::always(), impatient); });
  };
  for (const bool fetches : {true, false}) {
    signal_pipe reached;
    signal_pipe resume;
    child_process mirroring([&] {
      // Only mirroring clones.
      fault::arm({.what = fault::action::stop,
                  .name = "ioctl",
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
      const auto policy = fetches ? fetch_policy::always() : fetch_policy::if_missing();
      (void)mirror_cache(directory).fetch_and_mirror("key", place / (fetches ? "1" : "2"), brings("y"), policy);
      return 0;
    });
    reached.receive();
    CHECK(refresh() == (fetches ? make_error_code(errc::timed_out) : std::error_code()));
    resume.send();
    CHECK(mirroring.wait() == 0);
  }
  CHECK(testing::read_file(place / "1") == "y");
  CHECK(testing::read_file(place / "2") == "y");
}
#endif
