/// The shortest counter-examples of tests/model on the real code: each schedule is played by processes that are parked at
/// its calls. With every rule kept, its bad end does not come; with the rule broken that it speaks against, it does.
/// docs/lock-model.md names the trace of each.
#include "scenario/schedule.hpp"
#include "support/catch.hpp"

using lockkit::detail::plant_method;
using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using rules = std::vector<const char*>;
const rules all_kept;

contender process(const lock_place& at, const rules& broken, plant_method method = plant_method::automatic) {
  return contender(at.lock, method, broken);
}

/// It has opened the guard that is there now, and keeps it open.
void open_guard(contender& one) {
  REQUIRE(one.acquire() == event::held);
  REQUIRE(one.release() == event::released);
}

bool two_enter_by_two_guards(const rules& broken) {
  lock_place at;
  contender old = process(at, broken);
  contender young = process(at, broken);
  REQUIRE(old.acquire({}, {"flock", 1}) == event::parked);
  fs::remove(at.guard);
  REQUIRE(young.acquire() == event::held);
  return old.resume() == event::held;
}

bool script_meets_successor_of_leaver(const rules& broken) {
  lock_place at;
  contender leaver = process(at, broken);
  contender successor = process(at, broken);
  REQUIRE(leaver.acquire() == event::held);
  REQUIRE(leaver.release({"lock_file.removing", 1}) == event::parked);
  const bool succeeded = successor.acquire() == event::held;
  leaver.resume();
  return take_as_script(at.lock) && succeeded;
}

bool leaver_deletes_scripts_file(const rules& broken) {
  lock_place at;
  contender leaver = process(at, broken);
  REQUIRE(leaver.acquire() == event::held);
  fs::remove(at.lock);
  REQUIRE(take_as_script(at.lock));
  leaver.release();
  return !is_script_lock(at.lock);
}

bool note_is_believed(const rules& broken) {
  lock_place at;
  contender crashed = process(at, broken, plant_method::exclusive);
  contender next = process(at, broken, plant_method::exclusive);
  REQUIRE(crashed.acquire({}, {"lock_file.stamped", 1}) == event::parked);
  crashed.kill();
  REQUIRE(take_as_script(at.lock));
  return next.acquire() == event::held || !is_script_lock(at.lock);
}

bool dead_file_was_replaced_by_hand(const rules& broken, plant_method method) {
  lock_place at;
  contender crashed = process(at, all_kept, method);
  REQUIRE(crashed.acquire() == event::held);
  crashed.kill();
  fs::remove(at.guard);
  contender next = process(at, broken);
  REQUIRE(next.acquire({}, {"lock_file.orphan_locked", 1}) == event::parked);
  fs::remove(at.lock);
  REQUIRE(take_as_script(at.lock));
  return next.resume() == event::held || !is_script_lock(at.lock);
}

bool released_file_was_replaced_by_script(const rules& broken) {
  lock_place at;
  contender old = process(at, broken);
  contender young = process(at, broken);
  open_guard(old);
  fs::remove(at.guard);
  REQUIRE(young.acquire() == event::held);
  REQUIRE(old.acquire({}, {"flock", 2}) == event::parked);  // it has read the record of the file that it found
  REQUIRE(young.release() == event::released);
  REQUIRE(take_as_script(at.lock));
  old.resume();
  return !is_script_lock(at.lock);
}

bool two_enter_by_a_dead_record(const rules& broken) {
  lock_place at;
  contender old = process(at, broken);
  contender dead = process(at, broken);
  contender young = process(at, broken);
  open_guard(old);
  REQUIRE(dead.acquire() == event::held);
  dead.kill();
  fs::remove(at.guard);
  REQUIRE(young.acquire({}, {"unlinkat", 1}) == event::parked);  // it has compared the dead one's file
  const event olds = old.acquire();
  return young.resume() == event::held && olds == event::held;
}

/// Somebody's data was linked at the guard's name when it was opened, and the link is removed before it is looked at again.
bool data_is_overwritten(const rules& broken) {
  lock_place at;
  const fs::path data = at.directory / "data";
  write_file(data, "somebody's\n");
  fs::create_hard_link(data, at.guard);
  contender one = process(at, broken);
  REQUIRE(one.acquire({}, {"pread64", 1}) == event::parked);
  fs::remove(at.guard);
  REQUIRE(one.resume() == event::held);
  return read_file(data) != "somebody's\n";
}

}  // namespace

TEST_CASE("replay of 6 steps: data whose link at the guard's name goes while it is looked at is not written over") {
  CHECK_FALSE(data_is_overwritten(all_kept));
  CHECK(data_is_overwritten({"junk_is_checked"}));
}

TEST_CASE("replay of 14 steps: with two guards there is one holder, and not without the comparison of rule 5") {
  CHECK_FALSE(two_enter_by_two_guards(all_kept));
  CHECK(two_enter_by_two_guards({"adoption_compares"}));
}

TEST_CASE("replay of 18 steps: no script meets a leaver's successor, but where unlocking comes before unlinking") {
  CHECK_FALSE(script_meets_successor_of_leaver(all_kept));
  CHECK(script_meets_successor_of_leaver({"unlink_before_unlock"}));
}

TEST_CASE("replay of 8 steps: a leaver deletes no script's file, but where it does not compare") {
  CHECK_FALSE(leaver_deletes_scripts_file(all_kept));
  CHECK(leaver_deletes_scripts_file({"release_compares"}));
}

TEST_CASE("replay of 20 steps: what a crashed process was about to do makes nobody take a script's file for its own") {
  CHECK_FALSE(note_is_believed(all_kept));
  CHECK(note_is_believed({"adoption_compares"}));
}

TEST_CASE("replay of 23 steps: a dead process's file that somebody replaced after the judgement is not deleted") {
  for (const plant_method method : plant_methods) {
    CHECK_FALSE(dead_file_was_replaced_by_hand(all_kept, method));
    CHECK(dead_file_was_replaced_by_hand({"orphan_is_compared"}, method));
  }
}

TEST_CASE("replay of 24 steps: a script's file that took the place of a released one is not deleted") {
  CHECK_FALSE(released_file_was_replaced_by_script(all_kept));
  CHECK(released_file_was_replaced_by_script({"orphan_is_compared"}));
}

TEST_CASE("replay of 28 steps: of two that find a dead record one enters, and both where the record decides alone") {
  CHECK_FALSE(two_enter_by_a_dead_record(all_kept));
  CHECK(two_enter_by_a_dead_record({"orphan_is_locked"}));
}

TEST_CASE("replay of what no lock file can prevent: both names removed let a newcomer in, and the old holder is told") {
  lock_place at;
  contender old(at.lock);
  contender young(at.lock);
  REQUIRE(old.acquire() == event::held);
  fs::remove(at.lock);
  fs::remove(at.guard);
  CHECK(young.acquire() == event::held);
  CHECK(old.verify() == event::lost);
  CHECK(old.release() == event::lost);
  CHECK(young.verify() == event::held);
}

TEST_CASE("replay of 17 steps: who removes a name by its dead PID lets a script in, and the holder is told") {
  lock_place at;
  contender dead(at.lock);
  contender next(at.lock);
  REQUIRE(dead.acquire() == event::held);
  dead.kill();  // here the breaker reads its PID
  REQUIRE(next.acquire() == event::held);
  fs::remove(at.lock);  // and here it acts
  REQUIRE(take_as_script(at.lock));
  CHECK(next.verify() == event::lost);
  CHECK(next.release() == event::lost);
  CHECK(is_script_lock(at.lock));
}
