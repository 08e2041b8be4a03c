/// Kill and SIGSTOP at every system call, found by tracing, of acquiring, waiting, releasing, adopting a crashed holder's
/// lock file and recovering an orphan, in every way that a lock_file can be asked for.
///
/// Killed: the next one enters, alone, and what is left is known. Stopped: whoever comes meanwhile is either in, and then
/// the stopped one finds that out when it goes on; or is kept out, and then the stopped one has the lock. Nobody loses a
/// lock file that is his.
///
/// Seen to fail: without the kernel's lock; with unlocking before removing.
#include <atomic>

#include "scenario/long_runs.hpp"
#include "scenario/schedule.hpp"
#include "support/catch.hpp"
#include "support/record_locker.hpp"
#include "support/shared_memory.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;
using detail::plant_method;
namespace fs = std::filesystem;

namespace {

struct way {
  const char* name;
  lock_options options;
  plant_method method = plant_method::automatic;

  [[nodiscard]] lock_file make(const fs::path& path) const {
    lock_file lock(path, options);
    detail::lock_file_internals::use_plant(lock, method);
    return lock;
  }
};

const std::vector<way> ways = {
    {"a link", {}},
    {"an own file", {}, plant_method::own_file},
    {"a link, everyone kept out", {.excludes = keep_out::everyone}},
    {"an own file, everyone kept out", {.excludes = keep_out::everyone}, plant_method::own_file},
    {"a link, ephemeral", {.ephemeral_guard = true}},
    {"an own file, ephemeral", {.ephemeral_guard = true}, plant_method::own_file},
};

/// Sanitizers make each fork twenty times slower: there only the ways that plant by a link.
bool is_left_out(const way& how) {
  return sampling > 1 && how.method == plant_method::own_file;
}

/// Each call in long runs; else each second one, from another beginning each time, so that all are met by some way.
std::size_t stride() {
  return sampling * static_cast<std::size_t>(in_long_runs(1, 2));
}

std::size_t first_call() {
  static std::size_t turn = 0;
  return 1 + turn++ % stride();
}

/// Runs `attempt` for call 1, 2, ... until the child has no such call. How many it had.
std::size_t at_every_traced_call(const std::function<bool(std::size_t)>& attempt) {
  for (std::size_t call = first_call();; call += stride()) {
    INFO("call " << call);
    if (!attempt(call)) return call - 1;
  }
}

void require_left(const lock_place& at, const way& how) {
  std::set<std::string> expected;
  if (!how.options.ephemeral_guard) expected.insert(".l.guard");
  REQUIRE(at.directory.names() == expected);
}

/// The next one enters, by the same way, alone, and leaves what is to be left.
void require_next(const lock_place& at, const way& how) {
  lock_file next = how.make(at.lock);
  REQUIRE(next.try_lock());
  REQUIRE_FALSE(how.make(at.lock).try_lock());
  REQUIRE(next.verify() == verify_result::held);
  next.unlock();
  REQUIRE_FALSE(next.lost());
  require_left(at, how);
}

bool kill_in_cycle(const way& how, const step& begin, std::size_t call) {
  const lock_place at;
  begin.run(at);
  const auto cycle = [&] {
    lock_file lock = how.make(at.lock);
    lock.lock();
    lock.unlock();
  };
  const traced_run run = run_traced([] {}, cycle, call);
  if (!run.killed) REQUIRE(run.status == 0);
  require_next(at, how);
  return run.killed;
}

bool stop_in_acquire(const way& how, const step& begin, std::size_t call) {
  const lock_place at;
  begin.run(at);
  const shared_memory<std::atomic<bool>> held;
  contender rival(at.lock);
  event rivals = event::failed;
  std::unique_ptr<lock_file> lock;
  const auto run = run_stopped([&] { lock = std::make_unique<lock_file>(how.make(at.lock)); },
                               [&] { *held = lock->try_lock(); }, call, [&] { rivals = rival.acquire(); });
  REQUIRE(run.status == 0);
  if (run.stopped) REQUIRE(rivals == (*held ? event::refused : event::held));
  if (rivals == event::held) {
    REQUIRE(rival.verify() == event::held);
    REQUIRE(rival.release() == event::released);
  }
  require_next(at, how);
  return run.stopped;
}

bool stop_in_release(const way& how, std::size_t call) {
  const lock_place at;
  contender rival(at.lock);
  event rivals = event::failed;
  std::unique_ptr<lock_file> lock;
  const auto take = [&] {
    lock = std::make_unique<lock_file>(how.make(at.lock));
    lock->lock();
  };
  const auto run = run_stopped(take, [&] { lock->unlock(); }, call, [&] { rivals = rival.acquire(); });
  REQUIRE(run.status == 0);
  if (rivals == event::held) {
    contender third(at.lock);
    REQUIRE(third.acquire() == event::refused);
    REQUIRE(rival.verify() == event::held);  // what went on has not touched the rival's lock file
    REQUIRE(rival.release() == event::released);
  }
  require_next(at, how);
  return run.stopped;
}

constexpr std::size_t calls_of_waiting = 30;  // open, look, try, mark, sleep, and some rounds of it

}  // namespace

TEST_CASE("killed at any system call of a lock file's life, by any way, the next one enters alone") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    for (const step& begin : beginnings) {
      INFO(how.name << ", begins with " << begin.name);
      CHECK(at_every_traced_call([&](std::size_t call) { return kill_in_cycle(how, begin, call); }) >= 5);
    }
  }
}

TEST_CASE(
    "stopped at any system call of acquiring, adopting or recovering, a process and its rival are never both in") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    for (const step& begin : beginnings) {
      INFO(how.name << ", begins with " << begin.name);
      CHECK(at_every_traced_call([&](std::size_t call) { return stop_in_acquire(how, begin, call); }) >= 5);
    }
  }
}

TEST_CASE("stopped at any system call of releasing, a process takes nothing from its successor") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    INFO(how.name);
    CHECK(at_every_traced_call([&](std::size_t call) { return stop_in_release(how, call); }) >= 2);
  }
}

TEST_CASE("a waiter killed at any system call of waiting keeps nobody from the lock") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    for (std::size_t call = first_call(); call <= calls_of_waiting; call += stride()) {
      INFO(how.name << ", call " << call);
      const lock_place at;
      contender holder(at.lock, how.method);
      contender next(at.lock);
      REQUIRE(holder.acquire() == event::held);
      next.begin_acquire(20s);
      const auto run = run_traced([] {}, [&] { (void)how.make(at.lock).try_lock_for(20s); }, call);
      REQUIRE(run.killed);
      REQUIRE(holder.release() == event::released);
      REQUIRE(next.outcome() == event::held);
      REQUIRE(next.release() == event::released);
      require_next(at, how);
    }
  }
}

TEST_CASE("a waiter stopped at any system call of waiting keeps nobody from the lock, and has it in the end") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    for (std::size_t call = first_call(); call <= calls_of_waiting; call += stride()) {
      INFO(how.name << ", call " << call);
      const lock_place at;
      contender holder(at.lock, how.method);
      contender third(at.lock);
      REQUIRE(holder.acquire() == event::held);
      const shared_memory<std::atomic<bool>> held;
      const auto run = run_stopped([] {}, [&] { *held = how.make(at.lock).try_lock_for(20s); }, call,
                                   [&] {
                                     REQUIRE(holder.release() == event::released);
                                     REQUIRE(third.acquire() == event::held);
                                     REQUIRE(third.release() == event::released);
                                   });
      REQUIRE(run.stopped);
      REQUIRE(run.status == 0);
      REQUIRE(*held);
      require_next(at, how);
    }
  }
}

TEST_CASE("killed or stopped at any system call of waiting for a script's file, the lock is had when that has gone") {
  for (const way& how : ways) {
    if (is_left_out(how)) continue;
    for (std::size_t call = first_call(); call <= calls_of_waiting; call += 2 * stride()) {
      INFO(how.name << ", call " << call);
      const lock_place at;
      REQUIRE(take_as_script(at.lock));
      const auto wait = [&] { REQUIRE(how.make(at.lock).try_lock_for(20s)); };
      REQUIRE(run_traced([] {}, wait, call).killed);
      REQUIRE(is_script_lock(at.lock));
      const auto run = run_stopped([] {}, wait, call, [&] { fs::remove(at.lock); });
      REQUIRE(run.stopped);
      REQUIRE(run.status == 0);
      require_next(at, how);
    }
  }
}

TEST_CASE("killed or stopped at any system call of waiting for a record lock, the lock is had when that has gone") {
  const way& how = ways[2];
  for (std::size_t call = first_call(); call <= calls_of_waiting; call += stride()) {
    INFO("call " << call);
    const lock_place at;
    contender earlier(at.lock);
    REQUIRE(earlier.acquire() == event::held);
    const record_locker other(at.lock);
    REQUIRE(earlier.release() == event::released);
    REQUIRE(other.tell(record_order::try_exclusive));
    const auto wait = [&] { REQUIRE(how.make(at.lock).try_lock_for(20s)); };
    REQUIRE(run_traced([] {}, wait, call).killed);
    REQUIRE_FALSE(how.make(at.lock).try_lock());
    const auto run = run_stopped([] {}, wait, call, [&] { REQUIRE(other.tell(record_order::unlock)); });
    REQUIRE(run.stopped);
    REQUIRE(run.status == 0);
    require_next(at, how);
  }
}
