#include "task_record.hpp"

#include <algorithm>

#include <lockkit/error.hpp>

#include "claim_time.hpp"

namespace lockkit::detail {

std::optional<task_record> load_task(connection& db, std::string_view queue, std::int64_t id) {
  statement query = db.prepare(
      "SELECT state, attempt, max_attempts, cancel_wanted, claim_key, external, result FROM task WHERE id = ? AND "
      "queue = ?");
  if (!query.bind(id, queue).step()) return std::nullopt;
  return task_record{.id = id,
                     .state = static_cast<task_state>(query.integer(0)),
                     .attempt = query.integer(1),
                     .max_attempts = query.integer(2),
                     .cancel_wanted = query.integer(3) != 0,
                     .claim_key = query.text(4),
                     .external = query.text(5),
                     .result = query.text(6)};
}

task_record require_task(connection& db, std::string_view queue, std::uint64_t id) {
  auto found = load_task(db, queue, number(id));
  if (!found) throw sqlite_failure{errc::no_such_task};
  return std::move(*found);
}

bool is_over(task_state state) noexcept {
  return state == task_state::done || state == task_state::failed || state == task_state::cancelled;
}

void note_task(connection& db, std::int64_t id, std::string_view what) {
  db.prepare(R"sql(
INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid, task_id)
SELECT ?2, ?3, t.queue, t.key, t.claim_key, 0,
  coalesce((SELECT o.pid FROM claim c JOIN owner o ON o.id = c.owner_id WHERE c.key = t.claim_key), 0), t.id
FROM task t WHERE t.id = ?1)sql")
      .bind(id, wall_ms(), what)
      .run();
}

void end_attempt(connection& db, const task_record& task, std::string_view outcome) {
  db.prepare(
        "UPDATE task_attempt SET ended_ms = ?4, outcome = ?5 WHERE task_id = ?1 AND attempt = ?2 AND claim_key = ?3")
      .bind(task.id, task.attempt, task.claim_key, wall_ms(), outcome)
      .run();
}

void end_task(connection& db, const task_record& task, task_state state, std::string_view text) {
  if (state == task_state::done) {  // before the trigger takes the rows away
    db.prepare("UPDATE task SET ready_ms = ?2 WHERE id IN (SELECT task_id FROM task_dependency WHERE on_id = ?1)")
        .bind(task.id, monotonic_ms())
        .run();
  }
  db.prepare("UPDATE task SET state = ?2, result = ?3, ended_ms = ?4 WHERE id = ?1")
      .bind(task.id, number(state), text, wall_ms())
      .run();
}

void make_ready(connection& db, std::int64_t id, std::chrono::milliseconds delay) {
  const due_time due = due_after(delay);
  db.prepare("UPDATE task SET state = 0, ready_ms = ?2, due_ms = ?3, due_wall_ms = ?4 WHERE id = ?1")
      .bind(id, monotonic_ms(), due.monotonic, due.wall)
      .run();
}

task_state after_failure(connection& db, const task_record& task, std::string_view reason,
                         std::chrono::milliseconds delay) {
  const bool again = !task.cancel_wanted && task.attempt < task.max_attempts;
  if (again) {
    db.prepare("UPDATE task SET result = ?2 WHERE id = ?1").bind(task.id, reason).run();
    make_ready(db, task.id, delay);
    return task_state::ready;
  }
  const task_state state = task.cancel_wanted ? task_state::cancelled : task_state::failed;
  end_task(db, task, state, reason);
  return state;
}

due_time due_after(std::chrono::milliseconds delay) noexcept {
  const std::int64_t ms = std::clamp(delay, std::chrono::milliseconds(0), longest_duration).count();
  // What is due at once stays so over a reboot, whatever the wall's clock said now.
  return {monotonic_ms() + ms, ms == 0 ? 0 : wall_ms() + ms};
}

}  // namespace lockkit::detail
