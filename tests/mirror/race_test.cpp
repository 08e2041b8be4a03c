#include <fcntl.h>

#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/stopped_process.hpp"

using namespace lockkit;
using testing::brings;
using testing::child_process;
using testing::content_of;
using testing::read_file;
namespace fs = std::filesystem;

TEST_CASE("a refresh, a removal or a sweep never pulls a file from under a mirror") {
  testing::scratch_directory place(testing::memory_directory());
  const std::string text(200'000, 'd');
  std::atomic<bool> done{false};
  std::atomic<int> changes{0};
  // The enemy of every mirror: refreshes with ever new contents, removes, sweeps.
  std::thread enemy([&] {
    mirror_cache cache(place / "cache", {.level = durability::visible});
    while (!done) {
      (void)cache.get("key", brings(text + std::to_string(changes)), fetch_policy::always());
      if (changes % 3 == 0) cache.remove("key");
      if (changes % 5 == 0) (void)cache.verify(true);
      ++changes;
    }
  });
  mirror_cache cache(place / "cache", {.level = durability::visible});
  int wrong = 0;
  for (int round = 0; round < 300 || changes < 50; ++round) {
    mirror_options how;
    how.level = durability::visible;
    how.link = round % 2 == 0 ? mirror_link::isolated : mirror_link::hard_link;
    const fs::path mirror = place / ("mirror" + std::to_string(round));
    const auto got = cache.fetch_and_mirror("key", mirror, brings(text + "mine"), fetch_policy::if_missing(), how);
    const std::string found = read_file(mirror);
    wrong += found == content_of(got.entry) && found.starts_with(text) ? 0 : 1;
    fs::remove(mirror);
  }
  done = true;
  enemy.join();
  CHECK(wrong == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;
using testing::stopped_process;

TEST_CASE("a content that goes between a hit's record and its opening is a miss, not an error") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("old"));
  // The second openat of a hit opens the content.
  stopped_process hit("openat", 2, [&] {
    int calls = 0;
    return content_of(cache.get("key", brings("fetched", &calls))) == "fetched" && calls == 1 ? 0 : 1;
  });
  cache.remove("key");
  CHECK(hit.go_on() == 0);
  CHECK(content_of(cache.get("key", testing::forbidden())) == "fetched");
}

TEST_CASE("a content that is replaced between a hit's record and its opening gives the new one") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("old"));
  stopped_process hit("openat", 2, [&] {  // Not a fetch, nor even a lock, is needed to see that.
    return content_of(cache.get("key", {}, fetch_policy::never())) == "new" ? 0 : 1;
  });
  (void)cache.get("key", brings("new"), fetch_policy::always());
  (void)cache.verify(true);  // sweeps the old content
  CHECK(hit.go_on() == 0);
}

TEST_CASE("a repair does not remove what was healed after it had looked") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  testing::damage(cache.get("key", brings("content")).path(), "CONTENT");
  // The first lock that a repair takes is the damaged key's.
  stopped_process repair("flock", 1, [&] { return cache.verify(true).size() == 1 ? 0 : 1; });
  (void)cache.get("key", brings("content"), fetch_policy::always());
  CHECK(repair.go_on() == 0);
  CHECK(content_of(cache.get("key", testing::forbidden())) == "content");
}

namespace {

/// Removes "a"; reports 'w' when it must wait for a lock (once), 'e' at the end.
child_process removing_process(mirror_cache& cache, const testing::signal_pipe& told) {
  return child_process([&] {
    testing::signal_pipe go_on;
    go_on.send();
    fault::arm(
        {.what = fault::action::stop, .name = "futex", .announce_fd = told.write_end(), .resume_fd = go_on.read_end()});
    cache.remove("a");
    fault::disarm();
    told.send('e');
    return 0;
  });
}

/// Publishes "b", whose content is that of "a"; a removal of "a" comes between, at the `nth` call. False: there are
/// fewer.
bool publish_with_removal_at(std::uint64_t nth, mirror_cache& cache) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::signal_pipe told;
  child_process publisher([&] {
    fault::arm(
        {.what = fault::action::stop, .nth = nth, .announce_fd = reached.write_end(), .resume_fd = resume.read_end()});
    (void)cache.get("b", brings("shared"), fetch_policy::always());
    fault::disarm();
    reached.send('e');
    return 0;
  });
  const bool stopped = reached.receive() == 's';
  child_process remover = removing_process(cache, told);
  told.receive();  // it has ended, or waits for the publisher
  if (stopped) resume.send();
  CHECK(publisher.wait() == 0);
  CHECK(remover.wait() == 0);
  return stopped;
}

}  // namespace

TEST_CASE("a publisher that found its content there already does not lose it to a removal of the other key") {
  testing::scratch_directory place(testing::memory_directory());
  mirror_cache cache(place / "cache");
  (void)cache.get("a", brings("shared"));
  std::uint64_t nth = 1;
  while (publish_with_removal_at(nth, cache)) {
    INFO("removed at call " << nth);
    CHECK(content_of(cache.get("b", testing::forbidden())) == "shared");
    CHECK(cache.verify().empty());
    cache.remove("b");
    (void)cache.get("a", brings("shared"));
    ++nth;
  }
  CHECK(nth > 40);
}

namespace {

/// A verification that is stopped at its `nth` call, where the key goes, and at the one after, where it comes back.
/// What it says at its end must be 'v'. Empty: it has fewer calls.
std::string verify_while_a_key_goes_and_comes(std::uint64_t nth, mirror_cache& cache) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  child_process verifier([&] {
    fault::arm({.what = fault::action::stop,
                .nth = nth,
                .times = 2,
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    const bool damaged = !cache.verify().empty();
    fault::disarm();
    reached.send(damaged ? 'd' : 'v');
    return 0;
  });
  std::string seen;
  char what = 0;
  while ((what = reached.receive()) == 's') {
    seen.empty() ? void(cache.remove("key")) : void(cache.get("key", brings("new")));
    seen += 's';
    resume.send();
  }
  INFO("gone at call " << nth);
  CHECK(what == 'v');
  CHECK(verifier.wait() == 0);
  static_cast<void>(cache.get("key", brings("new")));
  return seen;
}

}  // namespace

TEST_CASE("a key that goes and comes while it is verified is no damage") {
  testing::scratch_directory place(testing::memory_directory());
  mirror_cache cache(place / "cache");
  static_cast<void>(cache.get("key", brings("old")));
  std::uint64_t nth = 0;
  std::string seen = "ss";
  while (!seen.empty()) seen = verify_while_a_key_goes_and_comes(++nth, cache);
  CHECK(nth > 5);
}
#endif
