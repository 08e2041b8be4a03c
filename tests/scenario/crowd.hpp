#pragma once
/// Processes that take turns at one lock and write their histories.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "scenario/history.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

/// One turn: asks, has, leaves, by the pen.
using turn_taker = std::function<void(journal::pen&)>;
/// Made in the process that takes the turns.
using make_turn_taker = std::function<turn_taker(const std::filesystem::path& lock)>;

class crowd {
 public:
  /// Rules that its processes do not keep (fault::break_rule), and a point at which they pause, so that what is wrong there
  /// happens sooner.
  explicit crowd(std::vector<const char*> broken = {}, const char* pause_at = nullptr)
      : broken_(std::move(broken)), pause_at_(pause_at) {}

  /// A process that takes so many turns; with 0 it goes on until finish().
  void add(const make_turn_taker& make, std::size_t turns = 0);
  /// Lets everybody finish the turn that it is in. Throws if one of them failed.
  void finish();
  /// Waits until everybody has ended, or those who have not all sleep and no turn is made any more; then ends them.
  void run_until_asleep();
  /// Kills one of them and puts another in its place.
  void kill(std::size_t index);
  void signal(std::size_t index, int number) { members_[index].process->signal(number); }
  std::size_t size() const { return members_.size(); }

  std::size_t turns() const { return journal_.turns(); }
  findings judgement() const { return judge(journal_.read()); }
  std::filesystem::path lock() const { return place_ / "l"; }
  std::filesystem::path guard() const { return place_ / ".l.guard"; }

 private:
  struct member {
    make_turn_taker make;
    std::size_t turns;
    std::unique_ptr<child_process> process;
  };
  std::unique_ptr<child_process> start(const member& one) const;
  int live(const member& one) const;
  bool all_sleep();

  scratch_directory place_{memory_directory()};
  std::vector<const char*> broken_;
  const char* pause_at_;
  journal journal_;
  shared_memory<std::atomic<bool>> over_;
  std::vector<member> members_;
};

/// Takes its turns by one lock_file, or by a new one for each turn.
turn_taker by_lock_file(const std::filesystem::path& lock);
turn_taker by_new_lock_files(const std::filesystem::path& path);
turn_taker by_own_file(const std::filesystem::path& path);
turn_taker by_ephemeral_guard(const std::filesystem::path& lock);
turn_taker in_order(const std::filesystem::path& lock);
/// Tries again and again instead of waiting.
turn_taker by_trying(const std::filesystem::path& path);
/// O_CREAT|O_EXCL, as a script would.
turn_taker as_script(const std::filesystem::path& path);
turn_taker by_mutex(const std::filesystem::path& path);
turn_taker by_shared_mutex(const std::filesystem::path& path);

}  // namespace testing
