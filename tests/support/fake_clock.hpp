#pragma once
/// A wall clock of its own for a child process, by libfaketime (package libfaketime); its monotonic clock stays true.

#include <filesystem>
#include <optional>
#include <string>

#include "scratch.hpp"

namespace testing {

/// Where libfaketime lies, if it is installed and can be used in this build.
std::optional<std::filesystem::path> find_faketime();

class fake_clock {
 public:
  explicit fake_clock(std::filesystem::path library);
  /// From now on so far beside the true time, such as "+3600s".
  void step(const std::string& offset) const { step(folder(), offset); }
  /// The same from a process that wears it and was told the folder.
  static void step(const std::filesystem::path& folder, const std::string& offset);
  [[nodiscard]] const std::filesystem::path& folder() const { return place_.path(); }
  /// For the calling process's next exec.
  void wear() const;
  /// What libfaketime leaves in shared memory for a process that was killed: the next of the same number trips over it.
  static void clean_up_after(int pid);

 private:
  scratch_directory place_;
  std::filesystem::path library_;
};

}  // namespace testing
