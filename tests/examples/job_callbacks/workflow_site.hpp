#pragma once
/// A workflow to try job_callbacks with: its file, its command line, what it shows, and jobs' first and last lines as Slurm
/// would have them run.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/running_program.hpp"

namespace testing {

class workflow_site {
 public:
  /// `prefix` in YAML is what stands before Slurm's programs; `more` is appended.
  explicit workflow_site(std::string prefix, const std::string& more = {});
  void configure(const std::string& more) const;

  [[nodiscard]] const scratch_directory& directory() const { return here_; }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return here_ / name; }
  [[nodiscard]] std::filesystem::path state() const { return here_ / "results/.job_callbacks"; }

  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& arguments) const;
  [[nodiscard]] tool_result run(const std::vector<std::string>& arguments) const;
  [[nodiscard]] running_program start(const std::vector<std::string>& arguments) const;
  [[nodiscard]] nlohmann::json status(const std::vector<std::string>& more = {}) const;
  /// "OPT/Si" -> its row.
  [[nodiscard]] nlohmann::json step(const std::string& name) const;
  [[nodiscard]] std::size_t count(const std::string& state) const;

  /// The words after `callback` or `begin` in the script of the attempt that a job of that name is.
  [[nodiscard]] std::vector<std::string> attempt_of(const std::string& job_name) const;
  /// Its first line as job `number`, then its last with exit status 0.
  [[nodiscard]] tool_result live(const std::string& job_name, const std::string& number) const;

 private:
  scratch_directory here_;
  std::string prefix_;
};

}  // namespace testing
