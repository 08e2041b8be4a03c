#pragma once
/// The configuration file, and the small file with which a case asks for something special.

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/claim_store.hpp>

#include "slurm/settings.hpp"

namespace gpu_scheduler {

using std::chrono::milliseconds;

/// GPUs found by NVML.
struct discovery_settings {
  std::string library = "libnvidia-ml.so.1";
  std::string group = "numa";        ///< "numa": by node; "model": by name; or a name for all of them
  bool foreign = true;               ///< drain GPUs that programs other than ours use
  milliseconds foreign_every{5000};  ///< between two samples
};

/// Jobs are handed to a pueue daemon through its client.
struct pueue_settings {
  std::vector<std::string> client = {"pueue"};  ///< such as [ssh, host, pueue]
  bool remote_shell = false;  ///< the arguments pass through a shell on the way, as ssh does it: quoted for it
  milliseconds poll{2000};
  milliseconds settle{10000};   ///< a job that two answers so far apart do not know is not there
  milliseconds timeout{30000};  ///< of one call of the client
};

struct limits {
  std::uint32_t attempts = 1;
  milliseconds retry_after{0};
  milliseconds time{0};       ///< 0: none
  milliseconds grace{10000};  ///< between SIGTERM and SIGKILL
};

struct configuration {
  std::filesystem::path file;
  std::filesystem::path database;
  std::filesystem::path folder;          ///< watched for cases
  std::filesystem::path state;           ///< records and output of jobs
  milliseconds settle{2000};             ///< quiet time after which a case is taken
  std::vector<std::string> in_progress;  ///< further names of files that are still being written
  std::string complete;                  ///< a case is taken only when it has this file; empty: not needed
  std::string pool = "gpu";
  std::vector<lockkit::resource> resources;
  std::optional<discovery_settings> discovery;
  std::optional<pueue_settings> pueue;  ///< both unset: local processes
  std::optional<slurm::settings> slurm;
  std::vector<std::string> command;  ///< with placeholders
  std::map<std::string, std::string> environment;
  limits limit;
};

/// Relative paths in the file are relative to its directory. Wrong: failure with file, line and column.
[[nodiscard]] configuration read_configuration(const std::filesystem::path& file);

/// What a case needs, and how urgent it is: from its file `case.yaml` if it has one.
struct case_wishes {
  lockkit::claim_request needs;
  std::int32_t priority = 0;
};
[[nodiscard]] case_wishes read_wishes(const std::filesystem::path& case_directory, const std::string& pool);

}  // namespace gpu_scheduler
