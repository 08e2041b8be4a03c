#pragma once
/// A critical section that processes enter by a lock and are killed in, and the witnesses of it in shared memory.
///
/// Each process is a "life". Who enters leaves its number in `inside` and finds there 0, or the number of a life that
/// was condemned before it was killed: anything else is an overlap. A life inside counts steps all the time; who comes
/// after it sees the steps stand still, or it was let in while the other still ran.

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "support/process.hpp"
#include "support/shared_memory.hpp"

namespace testing {

using nanoseconds = std::chrono::nanoseconds;

inline nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

struct life {
  std::atomic<bool> condemned{false};
  std::atomic<std::uint64_t> steps{0};
};

struct arena_state {
  static constexpr std::size_t max_lives = 16'384;
  std::atomic<std::uint32_t> inside{0};
  std::atomic<std::uint32_t> doomed{0};  ///< the life that stays inside until it is killed
  std::atomic<bool> doom{false};         ///< whoever enters next shall stay
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> turns{0};
  std::atomic<std::uint64_t> overlaps{0};
  std::atomic<std::uint64_t> never_entered{0};          ///< waits that ended in nothing after a minute
  std::atomic<nanoseconds::rep> first_entry{0};         ///< after the last kill
  std::atomic<nanoseconds::rep> first_entry_waited{0};  ///< how long that one had waited
  std::array<life, max_lives> lives;                    ///< 0 is nobody
};

/// Enters, leaves; true: it was let in.
struct entrance {
  std::function<bool()> enter;
  std::function<void()> leave;
};
using make_entrance = std::function<entrance(const std::filesystem::path&)>;

/// How long the lock stood without an owner after a kill, and how long the next one had waited for it by then.
struct succession {
  nanoseconds vacant;
  nanoseconds waited;
};

class arena {
 public:
  arena(std::filesystem::path path, std::size_t processes, make_entrance make);
  ~arena();

  /// Lets somebody stay inside. False: nobody came in for 30 s.
  bool begin_doom();
  /// Kills it.
  void kill_doomed();
  /// Waits for the next owner, and puts a new process in the dead one's place. Nothing: nobody came in for 30 s.
  std::optional<succession> await_next();
  /// Kills a process wherever it is, and puts a new one in its place.
  void kill_anywhere(std::size_t index);
  /// Ends all processes: each finishes its turn.
  void finish();
  const arena_state& state() const { return *state_; }

 private:
  struct resident {
    std::uint32_t number;
    child_process process;
  };
  resident spawn();
  void replace(std::size_t index);
  std::size_t index_of(std::uint32_t number) const;

  std::filesystem::path path_;
  make_entrance make_;
  shared_memory<arena_state> state_;
  std::uint32_t last_life_ = 0;
  nanoseconds killed_{};
  std::vector<std::optional<resident>> residents_;
};

}  // namespace testing
