#pragma once
/// The file that says what is to be done: materials × steps, limits, paths, and how Slurm is reached.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "job_callbacks/material.hpp"
#include "slurm/settings.hpp"

namespace job_callbacks {

struct limits {
  std::uint32_t max_jobs = 100;   ///< that the account may have in Slurm at once
  std::uint32_t reserve = 0;      ///< of these, left to others
  std::uint32_t max_submit = 50;  ///< in one pass of a manager
  std::uint32_t attempts = 1;     ///< of a step that fails
};

struct step {
  std::string name;
  std::vector<std::string> command;  ///< with placeholders
  std::vector<std::string> after;    ///< steps of the same material that must be done before
  std::vector<std::string> options;  ///< of sbatch, in addition to those of all
};

struct workflow {
  std::filesystem::path file;
  std::filesystem::path root;   ///< of results: step_001_OPT/mat_<id>/
  std::filesystem::path state;  ///< database, lock, events, scripts; on a local disk of the managers' host
  limits limit;
  slurm::settings slurm;
  std::vector<material> materials;
  std::vector<step> steps;

  [[nodiscard]] std::filesystem::path database() const { return state / "steps.db"; }
};

/// What may stand in a command and in options of sbatch.
[[nodiscard]] const std::vector<std::string_view>& placeholder_names();

/// Only a plan looks at the materials: what lies in their folder later is no business of a job that ends.
enum class reading { with_materials, without_materials };

/// Relative paths are relative to the file's directory. Wrong: tooling::failure with file, line and column.
[[nodiscard]] workflow read_workflow(const std::filesystem::path& file, reading how = reading::without_materials);

}  // namespace job_callbacks
