#pragma once
/// The runner: one process per job, between the scheduler that started it and the case's command. It outlives the
/// scheduler, keeps the claim while any process of the job lives, and reports how the job ended.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

namespace gpu_scheduler {

struct runner_arguments {
  std::filesystem::path database;
  std::string queue;
  std::filesystem::path state;
  std::filesystem::path directory;  ///< of the case; the command runs there
  lockkit::task_ref ref;
  std::string external;
  int life = -1;  ///< the descriptor that keeps the claim
  std::chrono::milliseconds time_limit{0};
  std::chrono::milliseconds grace{0};
  std::chrono::milliseconds retry_after{0};
  std::vector<std::string> command;
};

/// Exit status of the runner: 0 once the end of the job is on record, or when the attempt is not this runner's to run.
[[nodiscard]] int run_job(const runner_arguments& given);

}  // namespace gpu_scheduler
