#pragma once
/// Cases with their times, as status and history show them.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

namespace gpu_scheduler {

using wall_time = std::chrono::system_clock::time_point;

/// A case, with its attempts in order.
struct case_row {
  lockkit::task_status task;
  std::vector<lockkit::task_attempt> attempts;

  /// Submission to the first attempt, or until now.
  [[nodiscard]] std::chrono::duration<double> waited(wall_time now) const;
  /// All attempts together.
  [[nodiscard]] std::chrono::duration<double> ran(wall_time now) const;
  [[nodiscard]] std::string resources() const;
};

[[nodiscard]] std::vector<case_row> all_cases(const lockkit::task_queue& queue);
[[nodiscard]] std::vector<lockkit::task_attempt> all_attempts(const lockkit::task_queue& queue);

/// "12.3 s", "5 min 02 s", "3 h 04 min".
[[nodiscard]] std::string describe_duration(std::chrono::duration<double> time);
/// Names may hold anything; neither a terminal nor a log must obey it.
[[nodiscard]] std::string printable(std::string text);
/// "2026-01-31T12:34:56Z"
[[nodiscard]] std::string describe_time(wall_time time);

}  // namespace gpu_scheduler
