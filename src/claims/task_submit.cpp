/// Submitting.
///
///  1. A (queue, key) is looked up in task_key, which outlives the task, in the transaction that writes it: once for
///     ever, however many try at the same time.
///  2. A dependency is a row only as long as it is not done, so a task that waits for nothing has none. Numbers are
///     given in order and only existing tasks can be named: there are no circles.
#include <algorithm>

#include <lockkit/error.hpp>

#include "claim_time.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

void require(bool condition) {
  if (!condition) throw sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
}

void check_task(connection& db, const new_task& task) {
  const claim_request& needs = task.needs;
  require(!task.key.empty() && task.max_attempts > 0);
  require(needs.pool.empty() || needs.count > 0);
  require((needs.life == claim_life::lease) == (needs.lease.count() > 0));
  require_json_object(db, needs.match);
}

std::int64_t add_task(connection& db, std::string_view queue, const new_task& task) {
  const claim_request& needs = task.needs;
  const due_time due = due_after(task.delay);
  db.prepare(R"sql(
INSERT INTO task(queue, key, payload, priority, due_ms, due_wall_ms, ready_ms, max_attempts, submitted_ms,
  pool, count, memory, grp, one_group, attributes, life, lease_ms)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql")
      .bind(queue, task.key, task.payload, std::int64_t{task.priority}, due.monotonic, due.wall, monotonic_ms(),
            std::int64_t{task.max_attempts}, wall_ms(), needs.pool, std::int64_t{needs.count},
            stored_memory(needs.memory), needs.group, std::int64_t{needs.one_group}, needs.match,
            static_cast<std::int64_t>(needs.life), std::int64_t{needs.lease.count()})
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

/// Its row may have been removed; the history stays.
bool was_done(connection& db, std::int64_t id) {
  statement query = db.prepare("SELECT 1 FROM task_attempt WHERE task_id = ? AND outcome = 'done'");
  return query.bind(id).step();
}

bool is_done(connection& db, std::int64_t id) {
  statement query = db.prepare("SELECT state = 4 FROM task WHERE id = ?");
  if (query.bind(id).step()) return query.integer(0) != 0;
  if (!was_done(db, id)) throw sqlite_failure{errc::no_such_task};
  return true;
}

void add_dependencies(connection& db, std::int64_t id, std::vector<std::uint64_t> after) {
  std::ranges::sort(after);
  after.erase(std::ranges::unique(after).begin(), after.end());
  for (const std::uint64_t on : after) {
    if (number(on) == id) throw sqlite_failure{errc::no_such_task};  // it does not exist for who submits it
    if (is_done(db, number(on))) continue;
    db.prepare("INSERT INTO task_dependency(task_id, on_id) VALUES(?, ?)").bind(id, number(on)).run();
  }
}

}  // namespace

std::optional<std::uint64_t> find_task_key(connection& db, std::string_view queue, std::string_view key) {
  statement query = db.prepare("SELECT task_id FROM task_key WHERE queue = ? AND key = ?");
  if (!query.bind(queue, key).step()) return std::nullopt;
  return static_cast<std::uint64_t>(query.integer(0));
}

submission submit_task(connection& db, std::string_view queue, const new_task& task) {
  check_task(db, task);
  if (const auto known = find_task_key(db, queue, task.key)) return {*known, false};
  const std::int64_t id = add_task(db, queue, task);
  db.prepare("INSERT INTO task_key(queue, key, task_id) VALUES(?, ?, ?)").bind(queue, task.key, id).run();
  add_dependencies(db, id, task.after);
  note_task(db, id, "submitted");
  return {static_cast<std::uint64_t>(id), true};
}

}  // namespace lockkit::detail
