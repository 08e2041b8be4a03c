#pragma once
/// What Slurm runs: a short script of quoted words. Its first line asks the queue whether it may run at all.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

#include "slurm/settings.hpp"

namespace slurm {

/// What is handed to Slurm.
struct job {
  lockkit::task_ref ref;
  std::vector<std::string> begin;  ///< a program of ours that asks; gets --job and --restarts as well
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  ///< of the command
  std::filesystem::path directory;                 ///< where the command runs
  std::vector<std::string> end{};                  ///< a program of ours that is told; gets --status; empty: none
  std::filesystem::path script;                    ///< made for sbatch, and removed again
  std::filesystem::path output;
  std::filesystem::path errors;
  std::vector<std::string> options{};  ///< of sbatch, expanded
};

/// The path of this executable, for jobs that call it; also when it was replaced while it runs.
[[nodiscard]] std::filesystem::path this_program();

[[nodiscard]] std::string batch_script(const job& what, const settings& how);
/// Of sbatch.
[[nodiscard]] std::vector<std::string> submission_arguments(const job& what);

}  // namespace slurm
