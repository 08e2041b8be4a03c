/// Reports about an attempt, and what people may do to a task.
///
///  1. A report counts only with the number of the attempt and the random key of its claim: whoever was overtaken, by
///     the end of a lease or by a person, changes nothing.
///  2. What ends an attempt ends its claim in the same transaction: never a task that is over and holds something, and
///     never one that goes on with nothing.
///  3. A report that was made before, with a commit in doubt, is found in the history and is no error.
///  4. An attempt runs under one name. If something outside was asked twice by accident and both begin, the second to
///     say so is told that the attempt is not its own.
///  5. Whoever finds nothing of an attempt outside may be looking too early. Its handing back and the report that the
///     attempt runs are decided in this database, one after the other: the second of them is refused.
#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "claim_time.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

bool can_be_reported(task_state state) noexcept {
  return state != task_state::ready && !is_over(state);
}

/// Rule 1.
bool is_present(const task_record& task, const task_ref& ref) noexcept {
  return can_be_reported(task.state) && task.attempt == std::int64_t{ref.attempt} && task.claim_key == ref.claim_key;
}

std::string_view outcome_of(task_report::kind what) noexcept {
  switch (what) {
    case task_report::kind::finish:
      return "done";
    case task_report::kind::fail:
      return "failed";
    case task_report::kind::hand_back:
    case task_report::kind::hand_back_unless_running:
      return "handed back";
    case task_report::kind::cancelled:
      return "cancelled";
    case task_report::kind::submitting:
    case task_report::kind::running:
      break;
  }
  return "";
}

/// Rule 3. Another result of a task that is done is another report.
bool was_reported(connection& db, std::string_view queue, const task_report& report) {
  statement query = db.prepare(R"sql(
SELECT t.result FROM task_attempt a LEFT JOIN task t ON t.id = a.task_id
WHERE a.task_id = ? AND a.attempt = ? AND a.claim_key = ? AND a.queue = ? AND a.outcome = ? AND a.outcome <> '')sql");
  query.bind(number(report.ref.id), std::int64_t{report.ref.attempt}, report.ref.claim_key, queue,
             outcome_of(report.what));
  if (!query.step()) return false;
  return report.what != task_report::kind::finish || query.is_null(0) || query.text(0) == report.text;
}

/// Whether this attempt was reported to run before.
bool has_run(connection& db, const task_record& task) {
  statement query =
      db.prepare("SELECT running_ms IS NOT NULL FROM task_attempt WHERE task_id = ? AND attempt = ? AND claim_key = ?");
  return query.bind(task.id, task.attempt, task.claim_key).step() && query.integer(0) != 0;
}

/// The attempt goes on, also after it was unknown.
void go_on(connection& db, const task_record& task, task_state state, std::string_view external) {
  db.prepare("UPDATE task SET state = ?2, external = ?3 WHERE id = ?1").bind(task.id, number(state), external).run();
  db.prepare(R"sql(
UPDATE task_attempt SET running_ms = iif(?4 = 3, coalesce(running_ms, ?5), running_ms), ended_ms = NULL, outcome = ''
WHERE task_id = ?1 AND attempt = ?2 AND claim_key = ?3)sql")
      .bind(task.id, task.attempt, task.claim_key, number(state), wall_ms())
      .run();
  note_task(db, task.id, to_string(state));
}

void report_progress(connection& db, const task_record& task, const task_report& report) {
  const bool runs = report.what == task_report::kind::running;
  const task_state state = runs ? task_state::running : task_state::submitting;
  const bool same_name = task.external == report.text;
  if (task.state == state && same_name) return;
  if (has_run(db, task) && !same_name) throw sqlite_failure{errc::claim_lost};  // rule 4
  if (task.state == task_state::running) return;                                // nothing takes that back
  go_on(db, task, state, report.text);
}

/// It never began: the attempt is not counted.
void give_attempt_back(connection& db, task_record task) {
  db.prepare("UPDATE task SET attempt = attempt - 1 WHERE id = ?").bind(task.id).run();
  --task.attempt;
  if (after_failure(db, task, task.result, {}) != task_state::ready) note_task(db, task.id, "cancelled");
}

void end_claim_of(connection& db, const std::string& claim_key) {
  end_claim(db, claim_key, claim_end::released);  // it may have ended while the task was unknown
}

void report_end(connection& db, const task_record& task, const task_report& report) {
  using kind = task_report::kind;
  if (report.what == kind::hand_back_unless_running && has_run(db, task)) throw sqlite_failure{errc::claim_lost};
  note_task(db, task.id, outcome_of(report.what));
  end_attempt(db, task, outcome_of(report.what));
  if (report.what == kind::finish) {
    end_task(db, task, task_state::done, report.text);
  } else if (report.what == kind::cancelled) {
    end_task(db, task, task_state::cancelled, report.text);
  } else if (report.what == kind::fail) {
    if (after_failure(db, task, report.text, report.retry_after) == task_state::cancelled) {
      note_task(db, task.id, "cancelled");
    }
  } else {
    give_attempt_back(db, task);
  }
  end_claim_of(db, task.claim_key);  // rule 2
}

}  // namespace

void execute(connection& db, std::string_view queue, const task_report& report) {
  const auto task = load_task(db, queue, number(report.ref.id));
  if (!task || !is_present(*task, report.ref)) {
    if (was_reported(db, queue, report)) return;
    throw sqlite_failure{errc::claim_lost};
  }
  if (outcome_of(report.what).empty()) {
    report_progress(db, *task, report);
  } else {
    report_end(db, *task, report);
  }
}

bool cancel_task(connection& db, std::string_view queue, std::uint64_t id) {
  const task_record task = require_task(db, queue, id);
  if (is_over(task.state)) return false;
  if (task.state == task_state::ready) {
    note_task(db, task.id, "cancelled");
    end_task(db, task, task_state::cancelled, "");
  } else if (!task.cancel_wanted) {
    note_task(db, task.id, "cancel wanted");
    db.prepare("UPDATE task SET cancel_wanted = 1 WHERE id = ?").bind(task.id).run();
  }
  return true;
}

bool retry_task(connection& db, std::string_view queue, std::uint64_t id) {
  const task_record task = require_task(db, queue, id);
  const bool can =
      task.state == task_state::failed || task.state == task_state::cancelled || task.state == task_state::unknown;
  if (!can) return false;
  note_task(db, task.id, "retried");
  db.prepare(R"sql(
UPDATE task SET cancel_wanted = 0, max_attempts = max(max_attempts, attempt + 1), ended_ms = NULL WHERE id = ?)sql")
      .bind(task.id)
      .run();
  make_ready(db, task.id, {});
  end_claim_of(db, task.claim_key);  // one that only a release ends stood while the task was unknown
  return true;
}

bool remove_task(connection& db, std::string_view queue, std::uint64_t id) {
  const task_record task = require_task(db, queue, id);
  if (!is_over(task.state)) return false;
  note_task(db, task.id, "removed");
  db.prepare("DELETE FROM task WHERE id = ?").bind(task.id).run();
  return true;
}

}  // namespace lockkit::detail
