#pragma once
/// Cases as tasks of a pueue daemon, here or on another host, reached through its command line client.

#include <functional>
#include <map>
#include <mutex>

#include "configuration.hpp"
#include "executor.hpp"
#include "pueue_status.hpp"
#include "tooling/client_call.hpp"

namespace gpu_scheduler {

class pueue_executor : public executor {
 public:
  using message = std::function<void(const std::string&)>;
  using question = std::function<bool(const lockkit::task_ref&)>;

  /// `has_run`: whether that attempt was ever known to run. `say` gets what people should know: an unreachable daemon,
  /// once, and that it is back.
  pueue_executor(const configuration& settings, question has_run, message say);

  [[nodiscard]] lockkit::claim_life life() const override { return lockkit::claim_life::released; }
  [[nodiscard]] std::string name_of(const lockkit::task_ref& ref) const override;
  [[nodiscard]] bool may_have(const lockkit::task_status& task) const override;
  [[nodiscard]] std::optional<job_report> start(const job& what, int life_descriptor) override;
  [[nodiscard]] std::vector<job_report> look(const std::vector<lockkit::task_status>& tasks) override;
  [[nodiscard]] std::chrono::milliseconds interval() const override { return own_.poll; }

 private:
  using clock = std::chrono::steady_clock;
  [[nodiscard]] tooling::client_answer call(const std::vector<std::string>& arguments) const;
  [[nodiscard]] std::vector<std::string> add_command(const job& what) const;
  [[nodiscard]] std::optional<std::map<std::string, pueue_task>> ask();
  [[nodiscard]] job_report found(const lockkit::task_status& task, const pueue_task& there) const;
  [[nodiscard]] std::optional<job_report> missing(const lockkit::task_status& task);
  [[nodiscard]] clock::time_point gone_at(const lockkit::task_status& task, clock::time_point missing_since);
  void stop(const pueue_task& there) const;

  const configuration& settings_;
  const pueue_settings& own_;
  question has_run_;
  message say_;
  std::mutex mutex_;
  /// Handed to a client of ours that has ended without an answer, and when it ended.
  std::map<std::string, clock::time_point> doubtful_;
  bool reached_ = true;
  std::map<std::string, clock::time_point> missing_since_;
};

}  // namespace gpu_scheduler
