#pragma once
/// Cases as processes of this machine, each under a runner of its own (runner.hpp).

#include <mutex>
#include <vector>

#include "configuration.hpp"
#include "executor.hpp"

namespace gpu_scheduler {

class local_executor : public executor {
 public:
  /// `program` is this one's executable, which knows the command run-job.
  local_executor(const configuration& settings, std::filesystem::path program);

  [[nodiscard]] lockkit::claim_life life() const override { return lockkit::claim_life::job; }
  [[nodiscard]] std::string name_of(const lockkit::task_ref& ref) const override;
  [[nodiscard]] std::optional<job_report> start(const job& what, int life_descriptor) override;
  [[nodiscard]] std::vector<job_report> look(const std::vector<lockkit::task_status>& tasks) override;
  [[nodiscard]] std::chrono::milliseconds interval() const override { return std::chrono::milliseconds(500); }

 private:
  using clock = std::chrono::steady_clock;
  void refuse_after_failures(const std::filesystem::path& log);
  void reap();
  void note_end(int status);
  [[nodiscard]] std::vector<std::string> runner_command(const job& what) const;

  const configuration& settings_;
  std::filesystem::path program_;
  std::mutex mutex_;
  std::vector<pid_t> runners_;  ///< children of this process, until they are reaped
  std::chrono::milliseconds pause_{0};
  clock::time_point not_before_{};
};

}  // namespace gpu_scheduler
