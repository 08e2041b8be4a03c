/// Row 15: two processes reach for a lock that nobody has used before, at the same instant. Exactly one has it.
/// Row 35: a waiter gets its turns although another process does nothing but lock and unlock.
/// Seen to fail: with the kernel's lock granted always.
#include <cstdio>
#include <thread>

#include <lockkit/lock_file.hpp>

#include "scenario/long_runs.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;
namespace fs = std::filesystem;

namespace {

struct start_state {
  std::atomic<std::uint64_t> arrived{0};
  std::atomic<int> winners{0};
  std::atomic<std::uint64_t> wrong{0};  ///< rounds without exactly one winner
};

/// Both wait for each other.
void meet(start_state& state, std::uint64_t& met) {
  ++state.arrived;
  met += 2;
  while (state.arrived < met) std::this_thread::yield();
}

int start_together(start_state& state, const fs::path& directory, int rounds, bool referee) {
  std::uint64_t met = 0;
  for (int round = 0; round < rounds; ++round) {
    lock_file lock(directory / std::to_string(round));
    meet(state, met);
    state.winners += lock.try_lock() ? 1 : 0;
    meet(state, met);
    if (referee && state.winners != 1) ++state.wrong;
    meet(state, met);
    lock.unlock();
    meet(state, met);
    if (!referee) continue;
    state.winners = 0;
    fs::remove(directory / ("." + std::to_string(round) + ".guard"));
  }
  return 0;
}

}  // namespace

TEST_CASE("of two processes that start on an absent lock at once exactly one has it") {
  scratch_directory place;
  shared_memory<start_state> state;
  const int rounds = in_long_runs(100'000, 2000);
  child_process one([&] { return start_together(*state, place.path(), rounds, true); });
  child_process two([&] { return start_together(*state, place.path(), rounds, false); });
  CHECK(one.wait() == 0);
  CHECK(two.wait() == 0);
  CHECK(state->wrong == 0);
}

TEST_CASE("a waiter gets its turns against a process that does nothing but lock") {
  scratch_directory place;
  shared_memory<std::atomic<std::uint64_t>> busy;
  child_process greedy([&] {
    lock_file lock(place / "l");
    for (;;) {
      if (!lock.try_lock_for(60s)) return 1;
      ++*busy;
      lock.unlock();
    }
  });
  lock_file waiter(place / "l");
  while (*busy == 0) std::this_thread::yield();
  constexpr int turns = 100;
  for (int turn = 0; turn < turns; ++turn) {
    REQUIRE(waiter.try_lock_for(60s));
    const std::uint64_t before = *busy;
    waiter.unlock();
    while (*busy == before) std::this_thread::yield();  // it is at it again
  }
  std::printf("%d turns beside %llu of a greedy process\n", turns, static_cast<unsigned long long>(*busy));
}
