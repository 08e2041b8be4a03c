#pragma once
/// What many processes did with one lock, written down by themselves, and a judge who reads it afterwards.
///
/// Each stay has three times on CLOCK_MONOTONIC: when the lock was asked for, when it was had, when it was about to be
/// given back. A time that is missing did not come: the process was killed, or waits still. Written are only moments at
/// which the process certainly held it, so that what overlaps here did overlap.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/shared_memory.hpp"

namespace testing {

struct stay {
  using moment = std::chrono::nanoseconds::rep;
  std::uint32_t pid = 0;
  std::uint64_t token = 0;  ///< 0: a lock without tokens
  moment asked = 0;
  moment had = 0;
  moment left = 0;
  bool shared = false;
  bool killed = false;
};

struct findings {
  std::vector<std::string> overlaps;
  std::vector<std::string> tokens_that_do_not_grow;
  std::vector<std::string> lost_wakeups;  ///< at the end somebody waited for what nobody held
  std::size_t stays = 0;
  [[nodiscard]] bool clean() const {
    return overlaps.empty() && tokens_that_do_not_grow.empty() && lost_wakeups.empty();
  }
  [[nodiscard]] std::string text() const;
};

/// In any order.
findings judge(std::vector<stay> history);

/// Where processes write: shared by who is forked after it was made.
class journal {
 public:
  static constexpr std::size_t most_stays = 100'000;

  /// A process's own pen.
  class pen {
   public:
    explicit pen(const journal& where) : where_(where) {}
    void ask(bool shared = false);
    void have(std::uint64_t token);
    void leave();
    /// It asked in vain.
    void give_up();

   private:
    const journal& where_;
    std::size_t line_ = 0;
  };

  /// So far.
  std::vector<stay> read() const;
  /// How many stays have ended.
  std::size_t turns() const { return pages_->turns; }
  /// Its last stay ended when it was killed, at the earliest when it wrote last.
  void note_kill(int pid) const;

 private:
  struct line {
    std::atomic<std::uint32_t> pid{0};
    std::atomic<bool> shared{false};
    std::atomic<bool> killed{false};
    std::atomic<std::uint64_t> token{0};
    std::atomic<stay::moment> asked{0};
    std::atomic<stay::moment> had{0};
    std::atomic<stay::moment> left{0};
  };
  struct pages {
    std::atomic<std::size_t> lines{0};
    std::atomic<std::size_t> turns{0};
    std::array<line, most_stays> written;
  };
  shared_memory<pages> pages_;
};

}  // namespace testing
