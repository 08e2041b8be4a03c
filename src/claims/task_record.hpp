#pragma once
/// One task's rows: what its operations share.

#include "task_operations.hpp"

namespace lockkit::detail {

/// Numbers as SQLite has them.
[[nodiscard]] constexpr std::int64_t number(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}
[[nodiscard]] constexpr std::int64_t number(task_state value) noexcept {
  return static_cast<std::int64_t>(value);
}

/// Where a task stands.
struct task_record {
  std::int64_t id = 0;
  task_state state = task_state::ready;
  std::int64_t attempt = 0;
  std::int64_t max_attempts = 1;
  bool cancel_wanted = false;
  std::string claim_key;
  std::string external;
  std::string result;
};

/// Of this queue.
[[nodiscard]] std::optional<task_record> load_task(connection& db, std::string_view queue, std::int64_t id);
/// The same; errc::no_such_task.
[[nodiscard]] task_record require_task(connection& db, std::string_view queue, std::uint64_t id);

/// done, failed or cancelled.
[[nodiscard]] bool is_over(task_state state) noexcept;

/// An event of the task, with its queue and key as pool and name, and the PID of its claim's holder.
void note_task(connection& db, std::int64_t id, std::string_view what);
/// Closes the row of its present attempt in the history.
void end_attempt(connection& db, const task_record& task, std::string_view outcome);
/// Over, with a result or a reason. Whoever depends on a task that is done is ready from now on.
void end_task(connection& db, const task_record& task, task_state state, std::string_view text);
/// Ready, not before `delay` has passed.
void make_ready(connection& db, std::int64_t id, std::chrono::milliseconds delay);
/// What becomes of a task whose attempt brought no success: ready again if it has attempts left, unless somebody wants
/// it cancelled. Returns that state.
task_state after_failure(connection& db, const task_record& task, std::string_view reason,
                         std::chrono::milliseconds delay);

/// When something `delay` from now is due, by both clocks.
struct due_time {
  std::int64_t monotonic = 0;
  std::int64_t wall = 0;
};
[[nodiscard]] due_time due_after(std::chrono::milliseconds delay) noexcept;

}  // namespace lockkit::detail
