#pragma once
/// Slurm's programs as small scripts in a folder, for what the real ones can't be brought to do on demand.

#include <filesystem>
#include <string>
#include <vector>

#include "support/scratch.hpp"

namespace testing {

class slurm_stand_in {
 public:
  /// sbatch accepts and numbers from 1, squeue shows all of it as waiting, sacct knows nothing.
  slurm_stand_in();
  /// What that program does from now on, in the language of sh; $here is the folder.
  void set(const std::string& program, const std::string& script) const;
  [[nodiscard]] std::vector<std::string> prefix() const;
  /// The same for a configuration in YAML.
  [[nodiscard]] std::string yaml_prefix() const;
  /// Names of the jobs in the order in which they were accepted.
  [[nodiscard]] std::vector<std::string> accepted() const;
  [[nodiscard]] const scratch_directory& folder() const { return here_; }

 private:
  scratch_directory here_;
};

/// A line of `squeue` or of `sacct` as they are asked for.
[[nodiscard]] std::string queue_line(const std::string& id, const std::string& state, const std::string& name,
                                     int status = 0);
[[nodiscard]] std::string accounting_line(const std::string& id, const std::string& state, const std::string& name,
                                          const std::string& exit = "0:0");
/// A script that prints it.
[[nodiscard]] std::string printing(const std::string& text);

}  // namespace testing
