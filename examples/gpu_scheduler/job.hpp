#pragma once
/// A case that was taken, together with the GPUs that it got: what an executor starts.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

namespace gpu_scheduler {

struct job {
  lockkit::task_ref ref;
  std::string name;  ///< of the case: its path in the watched folder
  std::filesystem::path directory;
  std::vector<lockkit::claimed_item> items;
  std::vector<std::string> command;                ///< expanded
  std::map<std::string, std::string> environment;  ///< in addition to the executor's
};

/// "GPU-1,GPU-2"
[[nodiscard]] std::string names_of(const std::vector<lockkit::claimed_item>& items);

}  // namespace gpu_scheduler
