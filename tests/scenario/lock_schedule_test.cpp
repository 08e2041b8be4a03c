/// One preemption at every call: a process is parked before each system call of acquiring or releasing in turn; while
/// it sleeps, others remove files, try, hold or die; then it goes on. Whatever happened, there is one holder at most,
/// nobody loses a lock file that is theirs, and afterwards the lock can be had.
///
/// Rows of the list of peers' bugs: 1, 13, 14, 17, 19 (a breaker that was overtaken removes the successor's lock),
/// 2 (a pause before the record is written), 9, 10 (a waiter on a removed file), 23 (let in after the lock was gone).
/// Seen to fail: without the comparison in rule 7; with the record in place of the kernel's lock in rule 7; with unlock
/// before unlink in rule 10; with any record adopted in rule 5; without the kernel's lock; with ENOENT from removing an
/// orphan taken for a failure (as it was first); with the guard checked only as it was when it was opened (as it was).
#include "scenario/schedule.hpp"
#include "support/catch.hpp"

using lockkit::detail::plant_method;
using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// `slow` sleeps inside its acquisition. False: it had finished before it reached that call.
bool overtake_while_acquiring(plant_method method, const step& begin, const step& disturb, std::uint64_t call) {
  lock_place at;
  begin.run(at);
  contender slow(at.lock, method);
  contender rival(at.lock);
  const event first = slow.acquire(3ms, {"", call});
  if (first != event::parked) {
    REQUIRE(first == event::held);
    return false;
  }
  disturb.run(at);
  const event rivals = rival.acquire();
  REQUIRE(rivals != event::failed);
  const event slows = slow.resume();
  REQUIRE(slows == (rivals == event::held ? event::refused : event::held));
  contender third(at.lock);
  REQUIRE(third.acquire() == event::refused);
  if (rivals == event::held) REQUIRE(rival.verify() == event::held);  // nobody has touched the rival's lock file
  let_go(rival, rivals);
  let_go(slow, slows);
  require_usable(at);
  return true;
}

bool meet_script_while_acquiring(plant_method method, const step& begin, std::uint64_t call) {
  lock_place at;
  begin.run(at);
  contender slow(at.lock, method);
  if (slow.acquire(3ms, {"", call}) != event::parked) return false;
  const bool script_is_in = take_as_script(at.lock);
  const event slows = slow.resume();
  REQUIRE(slows == (script_is_in ? event::refused : event::held));
  REQUIRE(is_script_lock(at.lock) == script_is_in);
  let_go(slow, slows);
  if (script_is_in) fs::remove(at.lock);
  require_usable(at);
  return true;
}

bool overtake_while_releasing(plant_method method, const step& disturb, std::uint64_t call) {
  lock_place at;
  contender slow(at.lock, method);
  contender rival(at.lock);
  REQUIRE(slow.acquire() == event::held);
  if (slow.release({"", call}) != event::parked) return false;
  disturb.run(at);
  const event rivals = rival.acquire();
  slow.resume();
  if (rivals == event::held) {
    contender third(at.lock);
    REQUIRE(third.acquire() == event::refused);
    REQUIRE(rival.verify() == event::held);
    REQUIRE(rival.release() == event::released);
  }
  require_usable(at);
  return true;
}

bool meet_script_while_releasing(plant_method method, std::uint64_t call) {
  lock_place at;
  contender slow(at.lock, method);
  REQUIRE(slow.acquire() == event::held);
  if (slow.release({"", call}) != event::parked) return false;
  const bool script_is_in = take_as_script(at.lock);
  slow.resume();
  REQUIRE(is_script_lock(at.lock) == script_is_in);
  if (script_is_in) fs::remove(at.lock);
  require_usable(at);
  return true;
}

}  // namespace

TEST_CASE("a process overtaken at any call of acquiring is refused, and takes nothing from who overtook it") {
  for (const plant_method method : plant_methods) {
    for (const step& begin : beginnings) {
      for (const step& disturb : disturbances) {
        INFO("plant " << static_cast<int>(method) << ", begins with " << begin.name << ", meanwhile " << disturb.name);
        CHECK(at_every_call([&](auto call) { return overtake_while_acquiring(method, begin, disturb, call); }) > 5);
      }
    }
  }
}

TEST_CASE("a process overtaken at any call of releasing takes nothing from who overtook it") {
  for (const plant_method method : plant_methods) {
    for (const step& disturb : disturbances) {
      INFO("plant " << static_cast<int>(method) << ", meanwhile " << disturb.name);
      CHECK(at_every_call([&](auto call) { return overtake_while_releasing(method, disturb, call); }) > 1);
    }
  }
}

TEST_CASE("a script that creates the file at any call of acquiring or releasing is respected") {
  for (const plant_method method : plant_methods) {
    for (const step& begin : beginnings) {
      INFO("plant " << static_cast<int>(method) << ", begins with " << begin.name);
      CHECK(at_every_call([&](auto call) { return meet_script_while_acquiring(method, begin, call); }) > 5);
    }
    CHECK(at_every_call([&](auto call) { return meet_script_while_releasing(method, call); }) > 1);
  }
}

namespace {

/// How a holder may leave while a waiter is parked.
const std::vector<step> departures = {
    {"nothing else", [](const lock_place&) {}},
    {"the lock file emptied", [](const lock_place& at) { fs::resize_file(at.lock, 0); }},
    {"the guard removed", [](const lock_place& at) { fs::remove(at.guard); }},
};

/// False: the waiter was in before it came to that call.
void leave_while_waiting(plant_method method, bool killed, const step& disturb, std::uint64_t call) {
  lock_place at;
  contender holder(at.lock, method);
  contender waiter(at.lock);
  REQUIRE(holder.acquire() == event::held);
  REQUIRE(waiter.acquire(20s, {"", call}) == event::parked);
  disturb.run(at);
  if (killed) holder.kill();
  if (!killed) holder.release();
  REQUIRE(waiter.resume() == event::held);
  contender third(at.lock);
  REQUIRE(third.acquire() == event::refused);
}

}  // namespace

TEST_CASE("a waiter parked at any call gets the lock when its holder has left meanwhile") {
  constexpr std::uint64_t calls = 18;  // open, look, try, announce, sleep, and once round the loop of waiting
  for (const bool killed : {false, true}) {
    for (const step& disturb : departures) {
      for (std::uint64_t call = 1; call <= calls; ++call) {
        INFO((killed ? "killed, " : "released, ") << disturb.name << ", parked before call " << call);
        leave_while_waiting(plant_method::automatic, killed, disturb, call);
      }
    }
  }
}
