#pragma once
/// A critical section that lockkit shares with other programs. The witnesses are files that a shell can use too: the
/// link `entered`, which one at a time can make and which names who is in, and `count`, whose plain read and write lose
/// updates when two overlap.
///
/// Processes of this program may be killed anywhere: each is a "life", and before one is killed the file `dead.<life>`
/// says that what it leaves at `entered` is no overlap. Each of a life's turns is counted before and after it adds to
/// `count`, so that kills leave bounds to check the count against. Programs note their own turns in `turns.<name>`.

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

namespace testing {

class mixed_arena {
 public:
  using turn = std::function<void()>;
  /// Tries to get in, and calls turn() when it is in.
  using visit = std::function<void(const turn&)>;

  /// `base`: as scratch_directory's.
  explicit mixed_arena(const std::filesystem::path& base = {});
  std::filesystem::path lock() const { return place_ / "l"; }

  /// participants/participant.sh, run by `shell`.
  void add_script(const std::string& name, const std::string& shell, const std::string& kind);
  void add_python(const std::string& name);
  /// A process of this program that visits again and again.
  void add(const std::string& name, const visit& how);

  /// Waits until there were so many turns in all and by each participant. False: not within `patience`, or two were in
  /// at once. Does `meanwhile` again and again.
  bool run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience,
           const std::function<void()>& meanwhile);
  bool run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience);
  /// Kills one of this program's processes wherever it is, and puts a new one in its place.
  void kill_one(std::size_t dice);
  /// Stops one for that long; it may be inside.
  void freeze_one(std::size_t dice, std::chrono::microseconds time);
  /// Lets everybody finish, also the children of those who were killed. Participants that failed.
  int stop();

  std::map<std::string, std::uint64_t> turns() const;
  /// Whether no update was lost, and none made twice.
  bool count_is_right() const;
  /// Lines of reported overlaps.
  std::string overlaps() const;
  /// For visitors: something that must never be.
  void report(const std::string& what) const;

 private:
  static constexpr std::size_t most_residents = 32;
  struct tally {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> done{0};
  };
  struct shared_state {
    std::atomic<std::uint32_t> last_life{0};
    std::array<tally, most_residents> tallies;
  };
  struct resident {
    std::string name;
    visit how;
    std::uint32_t life = 0;
    std::optional<child_process> process{};
  };

  void start(std::size_t index);
  void live(std::size_t index, std::uint32_t life);
  void take_turn(tally& mine);
  void enter(const std::string& me) const;
  void leave(const std::string& me) const;
  void add_program(const std::string& name, const std::vector<std::string>& arguments);
  std::filesystem::path death_notice(std::uint32_t life) const;
  bool reached(std::uint64_t all, std::uint64_t each) const;

  scratch_directory place_;
  shared_memory<shared_state> state_;
  signal_pipe alive_;  ///< its writing end closes when the last life has ended
  std::uint32_t life_ = 0;
  int life_pid_ = 0;
  std::vector<resident> residents_;
  std::map<std::string, child_process> programs_;
};

}  // namespace testing
