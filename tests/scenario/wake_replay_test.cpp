/// The shortest schedules of tests/model that lose a wake-up, on the real code. Slices are off in all of them, so that a
/// lost wake-up is a sleep without end: the waiter sleeps on the word although the lock is free. With every rule kept it
/// gets the lock; with the rule broken that the schedule speaks against, it sleeps on.
#include <fcntl.h>

#include <thread>

#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "scenario/schedule.hpp"
#include "scenario/sleeper.hpp"
#include "support/catch.hpp"

using lockkit::detail::plant_method;
using namespace testing;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s;

contender process(const lock_place& at, const char* broken) {
  return contender(at.lock, plant_method::automatic, {"slice", broken});
}

/// The lock is free. False: the waiter got it.
bool sleeps_on(contender& waiter) {
  if (stays_asleep(waiter)) return true;
  REQUIRE(waiter.outcome() == event::held);
  return false;
}

bool lost_by_release_before_sleep(const char* broken) {
  lock_place at;
  contender holder = process(at, broken);
  contender waiter = process(at, broken);
  REQUIRE(holder.acquire() == event::held);
  REQUIRE(waiter.acquire(long_enough, {"kernel_lock.sleeping", 1}) == event::parked);
  REQUIRE(holder.release() == event::released);
  waiter.go_on();
  return sleeps_on(waiter);
}

bool lost_by_waking_into_a_closed_door(const char* broken) {
  lock_place at;
  contender holder = process(at, broken);
  contender waiter = process(at, broken);
  REQUIRE(holder.acquire() == event::held);
  waiter.begin_acquire(long_enough);
  REQUIRE(falls_asleep(waiter));
  REQUIRE(holder.release({"flock", 1}) == event::parked);
  REQUIRE(falls_asleep(waiter));  // again, if it was woken
  REQUIRE(holder.resume() == event::released);
  return sleeps_on(waiter);
}

bool lost_with_who_gives_up(const char* broken) {
  constexpr auto patience = 1s;
  lock_place at;
  contender holder = process(at, broken);
  contender hasty = process(at, broken);
  contender waiter = process(at, broken);
  REQUIRE(holder.acquire() == event::held);
  const auto over = std::chrono::steady_clock::now() + patience + 10ms;
  hasty.begin_acquire(patience, {"kernel_lock.woken", 1});
  REQUIRE(falls_asleep(hasty));
  waiter.begin_acquire(long_enough);
  REQUIRE(falls_asleep(waiter));
  REQUIRE(holder.release() == event::released);
  REQUIRE(hasty.outcome() == event::parked);
  std::this_thread::sleep_until(over);  // it was woken in time, and goes on too late
  if (hasty.resume() == event::held) REQUIRE(hasty.release() == event::released);
  return sleeps_on(waiter);
}

/// The word is as it was when it was read: changed by who locked and changed back by who unlocked.
bool lost_by_a_word_that_comes_again(const char* broken) {
  lock_place at;
  contender holder = process(at, broken);
  contender waiter = process(at, broken);
  REQUIRE(holder.acquire() == event::held);
  std::error_code ec;
  const auto guard = lockkit::platform::open_at(AT_FDCWD, at.guard.c_str(), O_RDWR, 0, ec);
  lockkit::platform::set_presence(guard.get(), ec);  // somebody seems to wait: each release changes the word
  REQUIRE_FALSE(ec);
  REQUIRE(holder.release() == event::released);
  REQUIRE(holder.acquire({}, {"lock_file.guard_locked", 1}) == event::parked);
  REQUIRE(waiter.acquire(long_enough, {"kernel_lock.sleeping", 1}) == event::parked);
  REQUIRE(holder.resume() == event::held);
  REQUIRE(holder.release() == event::released);
  waiter.go_on();
  return sleeps_on(waiter);
}

}  // namespace

TEST_CASE("replay of 18 steps: a release between last look and sleep wakes, but not who marks himself after the look") {
  CHECK_FALSE(lost_by_release_before_sleep("nothing"));
  CHECK(lost_by_release_before_sleep("presence_before_last_look"));
}

TEST_CASE("replay of 17 steps: a release between last look and sleep wakes, but not with a word that stays") {
  CHECK_FALSE(lost_by_release_before_sleep("nothing"));
  CHECK(lost_by_release_before_sleep("word_changes"));
}

TEST_CASE("replay of 17 steps: a waiter is woken to an open door, but not where waking comes before unlocking") {
  CHECK_FALSE(lost_by_waking_into_a_closed_door("nothing"));
  CHECK(lost_by_waking_into_a_closed_door("unlock_before_wake"));
}

TEST_CASE(
    "replay of 17 steps: who is woken too late takes the lock or hands it on, but not if he looks at the time first") {
  CHECK_FALSE(lost_with_who_gives_up("nothing"));
  CHECK(lost_with_who_gives_up("look_before_deadline"));
}

TEST_CASE("replay of 28 steps: a word does not come again between two holds, but with too few values") {
  CHECK_FALSE(lost_by_a_word_that_comes_again("nothing"));
  CHECK(lost_by_a_word_that_comes_again("word_counts"));
}
