#pragma once
/// Slurm's own programs, run without a shell, and what they answer. Text in formats that are named: the JSON of squeue
/// has changed its types from version to version, ignores filters, and does not exist in some builds.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "slurm/settings.hpp"
#include "tooling/client_call.hpp"

namespace slurm {

enum class job_phase {
  waits,
  runs,
  succeeded,
  failed,
  cancelled,
  replaced,  ///< a former run of a job that was put back into the queue
};

struct job_row {
  std::string id;
  std::string name;
  job_phase phase = job_phase::waits;
  std::string detail;  ///< for people: "exit status 4", "TIMEOUT"

  [[nodiscard]] bool lives() const noexcept { return phase == job_phase::waits || phase == job_phase::runs; }
};

/// The word that both programs use, "CANCELLED by 0" too. One that is not known counts as running: nothing is concluded.
[[nodiscard]] job_phase phase_of(std::string_view state);
/// `squeue --noheader --Format=JobID:24,State:24,exit_code:24,Name:256`.
[[nodiscard]] std::vector<job_row> parse_queue(std::string_view text);
/// `sacct --noheader --parsable2 --format=JobIDRaw,State,ExitCode,JobName`.
[[nodiscard]] std::vector<job_row> parse_accounting(std::string_view text);
/// The number that sbatch --parsable says, among warnings, whatever else went wrong. nullopt: none.
[[nodiscard]] std::optional<std::string> parse_submission(std::string_view text);

class client {
 public:
  explicit client(const settings& how) : how_(how) {}

  [[nodiscard]] tooling::client_answer submit(const std::vector<std::string>& arguments) const;
  /// All jobs of this user that the controller knows, those that are over included. Throws tooling::failure.
  [[nodiscard]] std::vector<job_row> queue() const;
  /// Those of these names since then ("YYYY-MM-DD"). Throws tooling::failure.
  [[nodiscard]] std::vector<job_row> accounting(const std::vector<std::string>& names, const std::string& since) const;
  /// Only if the job of that number has that name.
  [[nodiscard]] tooling::client_answer cancel(const std::string& id, const std::string& name) const;

 private:
  [[nodiscard]] tooling::client_answer call(const std::vector<std::string>& arguments) const;
  [[nodiscard]] std::string ask(const std::vector<std::string>& arguments) const;

  const settings& how_;
};

}  // namespace slurm
