/// lockkit, shells and Python compete for one path: never two holders.
///
/// dotlockfile (liblockfile 1.17) can't be among them: where the lock vanishes between its failed link() and its stat(),
/// it takes it for stale and unlinks the name, whoever has made the lock anew by then. Seen by strace, with ENOENT
/// injected at that stat(), and as an overlap in one run of this campaign on a busy machine. What it and lockkit do to each
/// other: lock_peers_test.cpp.
///
/// Participants that ignore the lock must be reported: the last tests. Seen to fail besides, both campaigns, with the
/// library changed: unlock before unlink (rule 10), any file at the name adopted (rule 8), the kernel's lock granted always.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <random>
#include <thread>

#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "scenario/long_runs.hpp"
#include "scenario/mixed_arena.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;
using lockkit::detail::plant_method;
using turn_function = mixed_arena::turn;

namespace {

/// What a campaign's processes note beside the arena's witnesses.
struct notes {
  std::atomic<std::uint64_t> forks{0};
};

std::minstd_rand& dice() {
  static std::minstd_rand mine(static_cast<unsigned>(::getpid()));
  return mine;
}

/// Lets the others have a chance: without it who holds a cached lock takes the next turn as well.
void think() {
  std::this_thread::sleep_for(std::chrono::microseconds(dice()() % 1500));
}

std::shared_ptr<lock_file> make_lock(const std::filesystem::path& path, plant_method method) {
  auto lock = std::make_shared<lock_file>(path);
  lockkit::detail::lock_file_internals::use_plant(*lock, method);
  return lock;
}

mixed_arena::visit visit_by(const mixed_arena& arena, plant_method method) {
  return [lock = std::shared_ptr<lock_file>(), path = arena.lock(), method](const turn_function& turn) mutable {
    if (!lock) lock = make_lock(path, method);
    if (!lock->try_lock_for(200ms)) return;
    turn();
    lock->unlock();
    think();
  };
}

/// A new object for each turn.
mixed_arena::visit visit_with_new_objects(const mixed_arena& arena) {
  return [path = arena.lock()](const turn_function& turn) {
    lock_file lock(path);
    if (!lock.try_lock_for(200ms)) return;
    turn();
    lock.unlock();
    think();
  };
}

/// Every third turn is followed by a holder's death: scripts then find a leftover, which the next of lockkit adopts.
mixed_arena::visit visit_and_crash(const mixed_arena& arena) {
  return [path = arena.lock(), n = 0](const turn_function& turn) mutable {
    lock_file lock(path);
    if (!lock.try_lock_for(200ms)) return;
    turn();
    lock.unlock();
    if (++n % 3 == 0) {
      child_process victim([&] {
        lock_file mine(path);
        (void)mine.try_lock_for(200ms);
        ::raise(SIGKILL);
        return 0;
      });
      victim.wait();
    }
    think();
  };
}

/// A child that was forked inside: gives back what is not its own, perhaps lives on with what it inherited, and then
/// takes a turn of its own with the inherited object.
[[noreturn]] void live_as_child(const mixed_arena& arena, lock_file& inherited, const turn_function& turn) {
  inherited.unlock();
  if (inherited.owns_lock()) arena.report("a forked child owns its parent's lock");
  if (::getpid() % 2 == 0) std::this_thread::sleep_for(2ms);
  if (inherited.try_lock_for(20ms)) {
    turn();
    inherited.unlock();
  }
  ::_exit(0);
}

/// Forks inside, each sixteenth time, and does not wait for the child.
mixed_arena::visit visit_and_fork(const mixed_arena& arena, plant_method method, notes& noted) {
  return [&arena, &noted, lock = std::shared_ptr<lock_file>(), method](const turn_function& turn) mutable {
    if (!lock) {
      ::signal(SIGCHLD, SIG_IGN);  // nobody reaps them
      lock = make_lock(arena.lock(), method);
    }
    if (!lock->try_lock_for(200ms)) return;
    if (dice()() % 16 == 0) {
      ++noted.forks;
      if (::fork() == 0) live_as_child(arena, *lock, turn);
    }
    turn();
    lock->unlock();
    think();
  };
}

std::uint64_t sum_of_turns(const mixed_arena& arena) {
  std::uint64_t sum = 0;
  for (const auto& [name, number] : arena.turns()) sum += number;
  return sum;
}

void require_no_overlap(const mixed_arena& arena) {
  for (const auto& [name, number] : arena.turns()) {
    std::printf("%-28s %7llu turns\n", name.c_str(), static_cast<unsigned long long>(number));
  }
  CHECK(arena.overlaps().empty());
  CHECK(arena.count_is_right());
}

/// Kills and stops them, and tells now and then how far they are.
class tormentor {
 public:
  explicit tormentor(mixed_arena& arena) : arena_(arena) {}

  void strike() {
    std::this_thread::sleep_for(std::chrono::milliseconds(2 + dice()() % 20));
    if (dice()() % 3 != 0) {
      arena_.kill_one(dice()());
      ++kills;
    } else {
      arena_.freeze_one(dice()(), std::chrono::microseconds(dice()() % 5000));
      ++stops;
    }
    if (std::chrono::steady_clock::now() - told_ > 60s) tell();
  }

  void tell() {
    told_ = std::chrono::steady_clock::now();
    const std::string seen = arena_.overlaps();
    std::printf("%llu acquisitions, %d kills, %d stops, %td overlaps\n",
                static_cast<unsigned long long>(sum_of_turns(arena_)), kills, stops, std::ranges::count(seen, '\n'));
    std::fflush(stdout);
  }

  int kills = 0;
  int stops = 0;

 private:
  mixed_arena& arena_;
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

bool lacks(const char* program, const char* package) {
  if (has_program(program)) return false;
  WARN("skipped: " << program << " (package " << package << ") is not installed");
  return true;
}

bool lacks_soft_file_lock() {
  if (run_program({"/usr/bin/python3", "-c", "import filelock"}) == 0) return false;
  WARN("skipped: filelock (package python3-filelock) is not installed");
  return true;
}

void add_foreigners(mixed_arena& arena) {
  arena.add_script("bash set -C", "bash", "noclobber");
  arena.add_script("dash set -C", "dash", "noclobber");
  arena.add_python("SoftFileLock");
}

}  // namespace

TEST_CASE("lock_file, bash, dash and SoftFileLock compete for one path without overlap") {
  if (lacks("bash", "bash") || lacks("dash", "dash")) return;
  if (lacks_soft_file_lock()) return;
  mixed_arena arena;
  arena.add("lock_file", visit_by(arena, plant_method::automatic));
  arena.add("lock_file, own file", visit_by(arena, plant_method::own_file));
  arena.add("lock_file, one-shot", visit_with_new_objects(arena));
  arena.add("lock_file, crashing", visit_and_crash(arena));
  add_foreigners(arena);
  CHECK(arena.run(in_long_runs(40'000, 5'000), in_long_runs(1000, 50), in_long_runs(1700s, 900s)));
  CHECK(arena.stop() == 0);
  require_no_overlap(arena);
}

TEST_CASE("16 processes, killed, stopped and forking, shells and Python among them: no overlap") {
  if (lacks("bash", "bash") || lacks("dash", "dash")) return;
  if (lacks_soft_file_lock()) return;
  shared_memory<notes> noted;
  mixed_arena arena(memory_directory());
  for (int i = 1; i <= 8; ++i) {
    arena.add("lock_file " + std::to_string(i), visit_and_fork(arena, plant_method::automatic, *noted));
  }
  for (int i = 1; i <= 3; ++i) {
    arena.add("own file " + std::to_string(i), visit_and_fork(arena, plant_method::own_file, *noted));
  }
  arena.add("one-shot", visit_with_new_objects(arena));
  arena.add("crashing", visit_and_crash(arena));
  add_foreigners(arena);
  tormentor hand(arena);
  const bool reached = arena.run(in_long_runs(1'000'000, 5'000), in_long_runs(1000, 30), in_long_runs(36'000s, 280s),
                                 [&] { hand.strike(); });
  CHECK(reached);
  CHECK(arena.stop() == 0);
  require_no_overlap(arena);
  hand.tell();
  std::printf("%llu forks inside\n", static_cast<unsigned long long>(noted->forks));
}

TEST_CASE("a script that ignores the lock is reported by the witness") {
  mixed_arena arena;
  arena.add("lock_file", visit_by(arena, plant_method::automatic));
  arena.add("lock_file, one-shot", visit_with_new_objects(arena));
  arena.add_script("ignores the lock", "sh", "none");
  while (arena.overlaps().empty()) std::this_thread::sleep_for(10ms);
  arena.stop();
}

TEST_CASE("a process that ignores the lock is reported by the witness") {
  mixed_arena arena;
  arena.add("lock_file", visit_by(arena, plant_method::automatic));
  arena.add("ignores the lock", [](const turn_function& turn) { turn(); });
  arena.add("lock_file, killed", visit_by(arena, plant_method::automatic));
  while (arena.overlaps().empty()) arena.kill_one(2);
  arena.stop();
}
