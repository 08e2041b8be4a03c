#pragma once
/// What is known on disk about one attempt that ran on this machine, outside the database:
///
///   <state>/runs/<task>-<attempt>.begun   made exclusively and durably before the command is started: the fence
///   <state>/runs/<task>-<attempt>.ended   how it ended, made in one step when no process of the job lives any more
///   <state>/runs/<task>-<attempt>/        stdout and stderr of the job

#include <filesystem>
#include <optional>
#include <string>

#include <lockkit/task_queue.hpp>

#include "executor.hpp"

namespace gpu_scheduler {

class run_record {
 public:
  run_record(const std::filesystem::path& state, const lockkit::task_ref& ref);

  /// False: somebody has begun this attempt before. `about` is for people.
  [[nodiscard]] bool begin(const std::string& about) const;
  [[nodiscard]] bool has_begun() const;
  /// Whether it was this very claim that began it. Numbers begin anew where a database is replaced, and the records of
  /// the one before say nothing about its cases.
  [[nodiscard]] bool is_of_this_claim() const;
  [[nodiscard]] const std::filesystem::path& begun() const { return begun_; }
  void end(job_end how, const std::string& text) const;
  /// nullopt: it has not ended, or nobody lived to write it.
  [[nodiscard]] std::optional<job_report> ending() const;
  [[nodiscard]] std::filesystem::path output() const { return base_ / "stdout"; }
  [[nodiscard]] std::filesystem::path errors() const { return base_ / "stderr"; }

 private:
  lockkit::task_ref ref_;
  std::filesystem::path base_;
  std::filesystem::path begun_;
  std::filesystem::path ended_;
};

}  // namespace gpu_scheduler
