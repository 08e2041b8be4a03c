#pragma once
/// How Slurm is reached, as both configurations have it under `slurm:`.

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tooling/yaml_map.hpp"

namespace slurm {

using std::chrono::milliseconds;

struct settings {
  std::vector<std::string> prefix;  ///< before sbatch, squeue, sacct and scancel, such as [ssh, host]
  bool remote_shell = false;        ///< a shell stands on the way: arguments are quoted for it
  std::vector<std::string> back;    ///< by which a job reaches this host, such as [ssh, host]; empty: it runs here
  bool back_shell = false;
  std::vector<std::string> options;  ///< further ones of sbatch, such as --partition=gpu; may have placeholders
  milliseconds poll{5000};
  milliseconds settle{30000};   ///< a job that two answers so far apart do not know is not there. MessageTimeout twice
  milliseconds timeout{60000};  ///< of one call of a client
};

/// Why sbatch can't be given it; empty: it can. One word that begins with "--" ("-p gpu" would make a script's name of
/// "gpu"), and none by which a job would not be the one that is looked for afterwards.
[[nodiscard]] std::string problem_with_option(const std::string& option);

/// What may stand there, for yaml_map.
[[nodiscard]] settings read_settings(const std::filesystem::path& file, const YAML::Node& node,
                                     const std::vector<std::string_view>& placeholders);

}  // namespace slurm
