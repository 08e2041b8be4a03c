#pragma once
/// Cases as jobs of Slurm. The protocol and its rules are in examples/slurm/desk.cpp; here is what a case becomes there.

#include "configuration.hpp"
#include "executor.hpp"
#include "slurm/desk.hpp"

namespace gpu_scheduler {

class slurm_executor : public executor {
 public:
  /// `program` is this one's executable, by the path that jobs know it by: it has the command begin-job.
  slurm_executor(const configuration& settings, std::filesystem::path program, const lockkit::task_queue& queue,
                 slurm::desk::message say);

  [[nodiscard]] lockkit::claim_life life() const override { return lockkit::claim_life::released; }
  [[nodiscard]] std::string name_of(const lockkit::task_ref& ref) const override;
  [[nodiscard]] bool may_have(const lockkit::task_status& task) const override;
  [[nodiscard]] std::optional<job_report> start(const job& what, int life_descriptor) override;
  [[nodiscard]] std::vector<job_report> look(const std::vector<lockkit::task_status>& tasks) override;
  [[nodiscard]] std::chrono::milliseconds interval() const override { return settings_.slurm->poll; }

 private:
  [[nodiscard]] slurm::job slurm_job(const job& what) const;

  const configuration& settings_;
  std::filesystem::path program_;
  slurm::desk desk_;
};

}  // namespace gpu_scheduler
