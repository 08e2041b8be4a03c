/// What becomes of a task when the claim that it was taken with ends before anybody has reported.
///
///  1. taken: nothing was begun outside. Ready again with this attempt counted, so that a task which kills its holder
///     each time comes to an end, too.
///  2. submitting, running: it may go on somewhere. Nobody may take it before somebody has found out: unknown.
///  3. A claim that only a release ends outlives its holder. With its task taken it stands for nothing, and ends; with
///     its task unknown it stays, since the work elsewhere may still use what it holds. Whoever then reports that it
///     runs is its holder from there on.
#include "claim_time.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

std::optional<task_record> task_of(connection& db, std::string_view claim_key) {
  statement query = db.prepare(  // the condition is the index's
      "SELECT id, state, attempt, max_attempts, cancel_wanted FROM task WHERE claim_key = ? AND state IN (1, 2, 3, 7)");
  if (!query.bind(claim_key).step()) return std::nullopt;
  if (static_cast<task_state>(query.integer(1)) == task_state::unknown) return std::nullopt;
  return task_record{.id = query.integer(0),
                     .state = static_cast<task_state>(query.integer(1)),
                     .attempt = query.integer(2),
                     .max_attempts = query.integer(3),
                     .cancel_wanted = query.integer(4) != 0,
                     .claim_key = std::string(claim_key),
                     .external = {},
                     .result = {}};
}

/// Rule 1.
void lose(connection& db, const task_record& task) {
  note_task(db, task.id, "lost");
  end_attempt(db, task, "lost");
  const task_state state = after_failure(db, task, "its holder was gone before it reported", {});
  if (state != task_state::ready) note_task(db, task.id, to_string(state));
}

/// Rule 2.
void make_unknown(connection& db, const task_record& task) {
  note_task(db, task.id, "unknown");
  end_attempt(db, task, "unknown");
  db.prepare("UPDATE task SET state = 7 WHERE id = ?").bind(task.id).run();
}

}  // namespace

void give_back_task(connection& db, std::string_view claim_key) {
  const auto task = task_of(db, claim_key);
  if (!task) return;
  if (task->state == task_state::taken) {
    lose(db, *task);
  } else {
    make_unknown(db, *task);
  }
}

bool has_task_outside(connection& db, std::string_view claim_key) {
  const auto task = task_of(db, claim_key);
  return task && task->state != task_state::taken;
}

bool is_orphan(connection& db, const task_report& report, const death_check& is_dead) {
  if (!has_task_outside(db, report.ref.claim_key)) return false;
  statement query = db.prepare("SELECT owner_id FROM claim WHERE key = ? AND life = 3");
  return query.bind(report.ref.claim_key).step() && is_dead(query.integer(0));
}

void adopt(connection& db, const task_report& report, std::int64_t owner_id) {
  db.prepare("UPDATE claim SET owner_id = ?2 WHERE key = ?1").bind(report.ref.claim_key, owner_id).run();
}

void begin_task_epoch(connection& db) {
  db.prepare("UPDATE task SET ready_ms = ?1, due_ms = ?1 + max(0, due_wall_ms - ?2) WHERE state NOT IN (4, 5, 6)")
      .bind(monotonic_ms(), wall_ms())
      .run();
}

}  // namespace lockkit::detail
