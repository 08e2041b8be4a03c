#pragma once
/// A critical section that lockkit shares with other programs. The witnesses are files that a shell can use too: the
/// directory `entered`, which one at a time can make, and `count`, whose plain read and write lose updates when two
/// overlap. Each participant keeps its own number of turns in `turns.<name>`.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

class mixed_arena {
 public:
  mixed_arena();
  std::filesystem::path lock() const { return place_ / "l"; }

  /// participants/participant.sh, run by `shell`.
  void add_script(const std::string& name, const std::string& shell, const std::string& kind);
  void add_python(const std::string& name);
  /// A process of this program that calls `try_turn(turn)` again and again; it calls turn() when it is in.
  void add(const std::string& name, std::function<void(const std::function<void()>& turn)> try_turn);

  /// Waits until there were so many turns in all and by each participant. False: not within `patience`, or two
  /// were in at once.
  bool run(std::uint64_t all, std::uint64_t each, std::chrono::seconds patience);
  /// Lets everybody finish. Participants that failed.
  int stop();

  std::map<std::string, std::uint64_t> turns() const;
  std::uint64_t count() const;
  /// Lines of reported overlaps.
  std::string overlaps() const;

 private:
  void take_turn(const std::string& name) const;
  void add_program(const std::string& name, const std::vector<std::string>& arguments);

  scratch_directory place_;
  std::map<std::string, child_process> processes_;
};

}  // namespace testing
