/// Several locks at once: one order for everybody, all or none, one deadline.
///
/// Seen to fail: ordered by the paths as they were given, and by the absolute paths; with what was taken kept after a
/// failure; with what was held before released by a failed second attempt; with a moved set still known to its thread.
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <numeric>
#include <optional>
#include <random>

#include <lockkit/lock_set.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

static_assert(!std::is_copy_constructible_v<lock_set> && std::is_nothrow_move_constructible_v<lock_set>);

namespace {

/// Two directories, each with two more ways to it, whose names sort the other way round.
struct two_directories {
  two_directories() {
    fs::create_directories(place / "one/sub");
    fs::create_directories(place / "two/sub");
    fs::create_directory_symlink("two", place / "a");
    fs::create_directory_symlink("one", place / "z");
  }
  std::vector<fs::path> paths(const char* one, const char* two) const {
    return {place / (std::string(one) + "/l"), place / (std::string(two) + "/l")};
  }
  testing::scratch_directory place;
};

/// Which lock a set waits for first when both are held.
fs::path first_wanted(const std::vector<fs::path>& paths) {
  fs::path seen;
  lock_set set(paths, {.on_wait = [&](const wait_notice& notice) {
                 CHECK(seen.empty());
                 seen = fs::canonical(notice.path);
               }});
  while (seen.empty()) CHECK_FALSE(set.try_lock_for(10ms));  // which may be over before a wait begins
  CHECK(fs::canonical(set.missed()->path) == seen);
  return seen;
}

}  // namespace

TEST_CASE("a set of locks is held as a whole and released as a whole") {
  testing::scratch_directory place;
  lock_set set({place / "b", place / "a", place / "c"});
  CHECK(set.try_lock());
  CHECK(set.owns_lock());
  for (const char* name : {"a", "b", "c"}) CHECK(fs::exists(place / name));
  CHECK(set.size() == 3);
  CHECK(set[0].path() == place / "b");
  CHECK(set.at(place / "c").token().value > 0);
  CHECK(set[1].verify() == verify_result::held);
  CHECK_THROWS_AS(set.at(place / "d"), std::out_of_range);
  set.unlock();
  CHECK_FALSE(set.owns_lock());
  for (const char* name : {"a", "b", "c"}) CHECK_FALSE(fs::exists(place / name));
  lock_set none(std::vector<fs::path>{});
  CHECK(none.try_lock());
}

TEST_CASE("a set that is not had holds nothing, and says which lock was missing and who holds it") {
  testing::scratch_directory place;
  for (const char* taken : {"a", "b", "c"}) {
    INFO(taken);
    lock_file other(place / taken, {.label = "the other"});
    other.lock();
    lock_set set({place / "c", place / "b", place / "a"}, {.timeout = 10ms});
    std::error_code ec;
    CHECK_FALSE(set.try_lock(ec));
    CHECK_FALSE(ec);
    REQUIRE(set.missed());
    CHECK(set.missed()->path == place / taken);
    CHECK(set.missed()->holder.label == "the other");
    CHECK(place.names().size() <= 4);
    for (const char* name : {"a", "b", "c"}) CHECK(fs::exists(place / name) == (std::string(name) == taken));
    try {
      set.lock();
      FAIL("not thrown");
    } catch (const lock_timeout& timeout) {
      CHECK(timeout.path() == place / taken);
      CHECK(timeout.holder().pid == ::getpid());
      CHECK_FALSE(timeout.foreign());
    }
    other.unlock();
    CHECK(set.try_lock());
    CHECK_FALSE(set.missed());
  }
  testing::write_file(place / "b", "4711\n");
  lock_set set({place / "a", place / "b"});
  CHECK_FALSE(set.try_lock());
  CHECK(set.missed()->foreign);
  CHECK(set.missed()->holder.pid == 4711);
}

TEST_CASE("a set takes its locks in one order, however its paths are spelt and sorted") {
  const two_directories at;
  lock_file one(at.place / "one/l");
  lock_file two(at.place / "two/l");
  one.lock();
  two.lock();
  const fs::path first = first_wanted(at.paths("one", "two"));
  CHECK(first_wanted(at.paths("two", "one")) == first);
  CHECK(first_wanted(at.paths("z", "a")) == first);
  CHECK(first_wanted(at.paths("a", "z")) == first);
  CHECK(first_wanted(at.paths("two/sub/..", "one/sub/..")) == first);
  CHECK(first_wanted(at.paths("two/../one", "a")) == first);
  testing::child_process elsewhere([&] {
    if (::chdir((at.place / "two").c_str()) != 0) return 2;
    return first_wanted({"l", "../one/l"}) == first ? 0 : 1;
  });
  CHECK(elsewhere.wait() == 0);
}

TEST_CASE("one lock twice in a set is an error that names both spellings") {
  const two_directories at;
  for (const auto& paths : {at.paths("one", "one"), at.paths("one", "z"), at.paths("one/sub/..", "one")}) {
    lock_set set(paths);
    std::error_code ec;
    CHECK_FALSE(set.try_lock(ec));
    CHECK(ec == errc::same_lock_twice);
    try {
      set.lock();
      FAIL("not thrown");
    } catch (const error& failure) {
      const std::string text = failure.what();
      INFO(text);
      CHECK(text.find(paths[0].string()) != std::string::npos);
      CHECK(text.find(paths[1].string()) != std::string::npos);
    }
  }
  lock_set same_name(at.paths("one", "two"));
  CHECK(same_name.try_lock());
}

TEST_CASE("whatever is wrong with one path of a set is said of that path, and nothing is held") {
  testing::scratch_directory place;
  std::error_code ec;
  lock_set missing({place / "a", place / "nowhere/b"});
  CHECK_FALSE(missing.try_lock(ec));
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK(missing.missed()->path == place / "nowhere/b");
  CHECK_THROWS_AS(missing.lock(), error);
  CHECK(place.names().empty());
  lock_set made({place / "a", place / "nowhere/b"}, {.create_parents = true});
  CHECK(made.try_lock(ec));
  lock_set invalid({place / "a", place / ".."});
  CHECK_FALSE(invalid.try_lock(ec));
  CHECK(ec == errc::invalid_name);
  fs::create_directory(place / ".c.guard");
  lock_set blocked({place / "d", place / "c"});
  CHECK_FALSE(blocked.try_lock(ec));
  CHECK(ec == std::errc::is_a_directory);
  CHECK(blocked.missed()->path == place / "c");
  CHECK_FALSE(fs::exists(place / "d"));
  try {
    blocked.lock();
  } catch (const error& failure) {
    CHECK(std::string(failure.what()).find(".c.guard") != std::string::npos);
  }
}

TEST_CASE("a set that is held and asked for again stays held") {
  testing::scratch_directory place;
  lock_set set({place / "a", place / "b"}, {.timeout = no_timeout});
  set.lock();
  CHECK_FALSE(set.try_lock());
  CHECK(set.owns_lock());
  CHECK_THROWS_AS(set.lock(), error);
  CHECK(set.owns_lock());
  lock_set moved(std::move(set));
  CHECK_FALSE(set.owns_lock());
  CHECK(moved.owns_lock());
  lock_set target({place / "c"});
  target.lock();
  target = std::move(moved);
  CHECK_FALSE(fs::exists(place / "c"));
  CHECK(target.owns_lock());
}

TEST_CASE("an exception from a set's on_wait, and a requested stop, leave nothing held") {
  testing::scratch_directory place;
  lock_file other(place / "b");
  other.lock();
  const std::vector<fs::path> paths = {place / "a", place / "b"};
  lock_set throwing(paths, {.on_wait = [](const wait_notice&) { throw std::runtime_error("no patience"); }});
  CHECK_THROWS_AS(throwing.lock(), std::runtime_error);
  CHECK_FALSE(fs::exists(place / "a"));
  std::stop_source stop;
  lock_set stopped(paths, {.on_wait = [&](const wait_notice&) { stop.request_stop(); }});
  std::error_code ec;
  CHECK_FALSE(stopped.try_lock_until(deadline::after(60s), stop.get_token(), ec));
  CHECK_FALSE(ec);
  CHECK_FALSE(fs::exists(place / "a"));
}

TEST_CASE("a held set that was moved to another thread is waited for, also without a deadline") {
  testing::scratch_directory place;
  const std::vector<fs::path> paths = {place / "a", place / "b"};
  lock_set set(paths);
  set.lock();
  std::promise<void> waits;
  auto elsewhere = std::async(std::launch::async, [&waits, held = lock_set(std::move(set))]() mutable {
    waits.get_future().wait();
    held.unlock();
  });
  lock_set again(paths, {.timeout = no_timeout, .on_wait = [&](const wait_notice&) { waits.set_value(); }});
  std::error_code ec;
  const bool had = again.try_lock_until(deadline::never(), ec);
  if (!had) waits.set_value();
  CHECK((had && !ec));
}

TEST_CASE("lock_all gives a held set, and waits once for all of it") {
  testing::scratch_directory place;
  lock_file other(place / "b");
  other.lock();
  std::promise<void> waits;
  auto waiting = std::async(std::launch::async, [&] {
    const lock_set set = lock_all({place / "a", place / "b"}, {.on_wait = [&](const wait_notice& notice) {
                                    CHECK(notice.path == place / "b");
                                    waits.set_value();
                                  }});
    return set.owns_lock();
  });
  waits.get_future().wait();
  other.unlock();
  CHECK(waiting.get());
  CHECK_FALSE(fs::exists(place / "a"));
}

namespace {

constexpr int lock_count = 5;
constexpr std::size_t process_count = 6;

/// What the crowd shares. inside: who has the lock of that number.
struct crowd_state {
  std::array<std::atomic<int>, lock_count> inside{};
  std::array<std::atomic<int>, process_count> turns{};
  std::array<std::atomic<bool>, process_count * 50 + 1> condemned{};  // lives that were killed
  std::atomic<int> overlaps{0};
  std::atomic<int> failures{0};
  std::atomic<bool> over{false};
};

/// One who takes sets of two to four of the locks, in any order and by any spelling, until it is over.
class set_taker {
 public:
  set_taker(const two_directories& at, crowd_state& state, std::size_t index, int life)
      : at_(at), state_(state), index_(index), life_(life), random_(static_cast<unsigned>(life)) {}

  int live() {
    while (!state_.over) {
      std::vector<int> chosen = choose();
      std::vector<fs::path> paths;
      for (const int lock : chosen) paths.push_back(spell(lock));
      lock_set set(paths);
      if (!set.try_lock_for(30s)) {
        ++state_.failures;
        return 1;
      }
      be_inside(chosen);
      set.unlock();
      ++state_.turns[index_];
    }
    return 0;
  }

 private:
  std::vector<int> choose() {
    std::vector<int> all(lock_count);
    std::iota(all.begin(), all.end(), 0);
    std::ranges::shuffle(all, random_);
    all.resize(2 + random_() % 3);
    return all;
  }

  fs::path spell(int lock) {
    static const std::array<std::array<const char*, 3>, 2> ways = {
        {{"one", "z", "one/sub/.."}, {"two", "a", "a/sub/.."}}};
    return at_.place / ways[static_cast<std::size_t>(lock % 2)][random_() % 3] / std::to_string(lock);
  }

  void be_inside(const std::vector<int>& locks) {
    for (const int lock : locks) {
      const int before = state_.inside[static_cast<std::size_t>(lock)].exchange(life_);
      if (before != 0 && !state_.condemned[static_cast<std::size_t>(before)]) ++state_.overlaps;
    }
    for (const int lock : locks) {
      if (state_.inside[static_cast<std::size_t>(lock)].exchange(0) != life_) ++state_.overlaps;
    }
  }

  const two_directories& at_;
  crowd_state& state_;
  std::size_t index_;
  int life_;
  std::minstd_rand random_;
};

}  // namespace

TEST_CASE("processes that ask for overlapping sets in any order and spelling, and are killed, all get on") {
  const two_directories at;
  const testing::shared_memory<crowd_state> state;
  std::vector<std::optional<testing::child_process>> crowd(process_count);
  int lives = 0;
  const auto begin = [&](std::size_t index) {
    const int life = ++lives;
    if (crowd[index]) crowd[index]->kill();
    crowd[index].reset();
    crowd[index].emplace([&at, &state, index, life] { return set_taker(at, *state, index, life).live(); });
    return life;
  };
  std::array<int, process_count> life{};
  for (std::size_t i = 0; i < process_count; ++i) life[i] = begin(i);
  const auto everybody_gets_on = [&] {  // a round is over when each has had ten more turns
    std::array<int, process_count> target{};
    for (std::size_t i = 0; i < process_count; ++i) target[i] = state->turns[i] + 10;
    const deadline patience = deadline::after(60s);
    const auto behind = [&] {
      for (std::size_t i = 0; i < process_count; ++i) {
        if (state->turns[i] < target[i]) return true;
      }
      return false;
    };
    while (behind() && !patience.expired() && state->failures == 0) std::this_thread::sleep_for(1ms);
    return !behind();
  };
  for (int round = 0; round < 20; ++round) {
    REQUIRE(everybody_gets_on());
    const auto victim = static_cast<std::size_t>(round) % process_count;
    state->condemned[static_cast<std::size_t>(life[victim])] = true;
    life[victim] = begin(victim);
  }
  REQUIRE(everybody_gets_on());
  state->over = true;
  for (auto& one : crowd) CHECK(one->wait() == 0);
  CHECK(state->overlaps == 0);
  CHECK(state->failures == 0);
}
