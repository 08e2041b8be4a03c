/// Histories of many processes at one lock, judged afterwards: exclusion, tokens that grow, no lost wake-up. Where wake-ups
/// are judged slices are off, so that a lost one is a sleep without end. The judge and the campaigns are checked by planted
/// histories and by processes that break a rule.
#include "scenario/history.hpp"

#include <signal.h>

#include <random>
#include <thread>

#include "scenario/crowd.hpp"
#include "scenario/long_runs.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// asked, had, left
stay at(std::uint32_t pid, stay::moment asked, stay::moment had, stay::moment left, std::uint64_t token) {
  return {.pid = pid, .token = token, .asked = asked, .had = had, .left = left};
}

stay killed(stay one) {
  one.killed = true;
  return one;
}

stay shared(stay one) {
  one.shared = true;
  return one;
}

void require_clean(const findings& found) {
  INFO(found.text());
  CHECK(found.clean());
}

}  // namespace

TEST_CASE("a history's judge has nothing against turns one after the other") {
  require_clean(judge({at(1, 1, 2, 10, 1), at(2, 3, 11, 20, 2), at(1, 12, 20, 30, 3)}));
  require_clean(judge({at(1, 1, 2, 0, 1)}));                             // it holds it
  require_clean(judge({at(1, 1, 2, 0, 1), at(2, 3, 0, 0, 0)}));          // and another one waits for it
  require_clean(judge({killed(at(1, 1, 2, 0, 1)), at(2, 3, 5, 6, 2)}));  // it died inside
  require_clean(judge({killed(at(1, 1, 0, 0, 0)), at(2, 3, 0, 9, 0)}));  // it died waiting; another gave up
  require_clean(judge({shared(at(1, 1, 2, 10, 0)), shared(at(2, 1, 3, 9, 0)), at(3, 1, 11, 12, 1)}));
}

TEST_CASE("a history's judge finds holds that overlap, also after shorter ones in between") {
  CHECK(judge({at(1, 1, 2, 10, 1), at(2, 3, 9, 20, 2)}).overlaps.size() == 1);
  CHECK(judge({at(1, 1, 2, 100, 1), at(2, 3, 4, 5, 2), at(3, 6, 50, 60, 3)}).overlaps.size() == 2);
  CHECK(judge({shared(at(1, 1, 2, 10, 0)), at(2, 3, 9, 20, 1)}).overlaps.size() == 1);
  CHECK(judge({at(1, 1, 2, 10, 1), shared(at(2, 3, 9, 20, 0))}).overlaps.size() == 1);
}

TEST_CASE("a history's judge finds tokens that do not grow with time") {
  CHECK(judge({at(1, 1, 2, 3, 5), at(2, 1, 4, 5, 5)}).tokens_that_do_not_grow.size() == 1);
  CHECK(judge({at(1, 1, 2, 3, 5), at(2, 1, 4, 5, 0), at(3, 1, 6, 7, 4)}).tokens_that_do_not_grow.size() == 1);
}

TEST_CASE("a history's judge finds who waits at the end for what nobody holds") {
  CHECK(judge({at(1, 1, 2, 3, 1), at(2, 1, 0, 0, 0)}).lost_wakeups.size() == 1);
  CHECK(judge({killed(at(1, 1, 2, 0, 1)), at(2, 1, 0, 0, 0)}).lost_wakeups.size() == 1);
}

namespace {

const std::vector<const char*> without_slices = {"slice"};

void require_everybody_gets_his_turns(const std::vector<make_turn_taker>& kinds) {
  const std::size_t each = in_long_runs<std::size_t>(5000, 150);
  crowd all(without_slices);
  for (const auto& kind : kinds) all.add(kind, each);
  all.run_until_asleep();
  require_clean(all.judgement());
  CHECK(all.turns() == each * kinds.size());
}

}  // namespace

TEST_CASE("a history of many waiters without slices: no overlap, tokens grow, no wake-up is lost") {
  require_everybody_gets_his_turns(
      {by_lock_file, by_lock_file, by_lock_file, by_lock_file, by_new_lock_files, by_new_lock_files});
}

TEST_CASE("a history of waiters in order without slices: no overlap, tokens grow, no wake-up is lost") {
  require_everybody_gets_his_turns({in_order, in_order, in_order, in_order});
}

TEST_CASE("a history of writers without slices: no overlap, tokens grow, no wake-up is lost") {
  require_everybody_gets_his_turns({by_mutex, by_mutex, by_mutex, by_mutex});
}

namespace {

enum class guards { stay, are_removed };

findings disturb(std::vector<make_turn_taker> kinds, guards what) {
  crowd all;
  for (const auto& kind : kinds) all.add(kind);
  all.add(as_script);
  const std::size_t lockkits = kinds.size();  // a dead script's file stays, and keeps everybody out
  std::minstd_rand dice(7);
  for (const std::size_t goal = in_long_runs<std::size_t>(30'000, 1000); all.turns() < goal;) {
    const std::size_t one = dice() % lockkits;
    all.signal(one, SIGSTOP);
    if (dice() % 4 == 0 && what == guards::are_removed) fs::remove(all.guard());
    std::this_thread::sleep_for(1ms);
    all.signal(one, SIGCONT);
    if (dice() % 4 == 0) all.kill(dice() % lockkits);
    std::this_thread::sleep_for(1ms);
  }
  all.finish();
  return all.judgement();
}

}  // namespace

TEST_CASE("a history with kills, stops and scripts: no overlap, and tokens grow") {
  require_clean(disturb({by_lock_file, by_lock_file, by_new_lock_files, by_new_lock_files, by_own_file, by_trying},
                        guards::stay));
}

// Who waits behind a script with one guard has its token already, while another one comes and goes with the next guard:
// tokens grow as long as the guard is kept, and no longer.
TEST_CASE("a history with kills, stops, scripts and removed guards: no overlap") {
  const findings found = disturb(
      {by_lock_file, by_lock_file, by_new_lock_files, by_own_file, by_ephemeral_guard, by_trying}, guards::are_removed);
  INFO(found.text());
  CHECK(found.overlaps.empty());
}

namespace {

/// Until something is found.
findings provoke(crowd& all, const std::vector<make_turn_taker>& kinds, const std::function<void()>& meanwhile) {
  for (const auto& kind : kinds) all.add(kind);
  findings found;
  while (found.overlaps.empty()) {
    meanwhile();
    std::this_thread::sleep_for(10ms);
    found = all.judgement();
  }
  return found;
}

}  // namespace

TEST_CASE("a campaign finds overlaps where unlocking comes before unlinking") {
  crowd all({"unlink_before_unlock"}, "lock_file.removing");
  const auto found = provoke(all, {by_lock_file, by_lock_file, by_lock_file, as_script}, [] {});
  CHECK_FALSE(found.overlaps.empty());
}

TEST_CASE("a campaign finds overlaps where a lock file is adopted without comparing") {
  crowd all({"adoption_compares"});
  const auto found = provoke(all, {by_lock_file, by_new_lock_files, by_lock_file}, [&] { fs::remove(all.guard()); });
  CHECK_FALSE(found.overlaps.empty());
}

TEST_CASE("a campaign without slices finds lost wake-ups where waking comes before unlocking") {
  crowd all({"slice", "unlock_before_wake"}, "kernel_lock.woke_early");
  for (int i = 0; i < 4; ++i) all.add(by_lock_file, 100);
  all.run_until_asleep();
  const findings found = all.judgement();
  INFO(found.text());
  CHECK(found.overlaps.empty());
  CHECK(found.tokens_that_do_not_grow.empty());
  CHECK_FALSE(found.lost_wakeups.empty());
}
