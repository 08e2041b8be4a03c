/// Taking a task together with what it needs.
///
///  1. Whoever is gone is buried before the choice: a task that it had may be the next one, or what it held may be needed.
///  2. Ready tasks are looked at in order: the greater priority, then the older. The first that can have all it needs now
///     is taken, with its claim, its attempt's number and its row in the history, in one transaction.
///  3. A task that can't have all yet sets aside its part of what is free once it has been ready for a while. Until then
///     those behind it may pass; then they may not, or one that needs much would never have all at once.
///  4. A task that could not be served if everything were free sets nothing aside, or it would stop the queue for ever.
#include <algorithm>

#include "claim_end.hpp"
#include "claim_time.hpp"
#include "task_needs.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

void add_attempt(connection& db, const chosen_task& task, const std::string& claim_key) {
  db.prepare(R"sql(
INSERT INTO task_attempt(task_id, queue, key, attempt, claim_key, items, taken_ms)
SELECT t.id, t.queue, t.key, t.attempt, t.claim_key, (
  SELECT json_group_array(json_object('name', r.name, 'group', r.grp, 'token', i.token))
  FROM claim c JOIN claim_item i ON i.claim_id = c.id JOIN resource r ON r.id = i.resource_id WHERE c.key = ?2), ?3
FROM task t WHERE t.id = ?1)sql")
      .bind(task.id, claim_key, wall_ms())
      .run();
}

/// Without its items.
std::optional<granted_task> load_granted(connection& db, std::string_view claim_key) {
  statement query =
      db.prepare("SELECT id, attempt, key, payload, life FROM task WHERE claim_key = ? AND state IN (1, 2, 3, 7)");
  if (!query.bind(claim_key).step()) return std::nullopt;
  return granted_task{.ref = {static_cast<std::uint64_t>(query.integer(0)),
                              static_cast<std::uint32_t>(query.integer(1)), std::string(claim_key)},
                      .key = query.text(2),
                      .payload = query.text(3),
                      .life = static_cast<claim_life>(query.integer(4)),
                      .items = {}};
}

}  // namespace

/// Rules 2 to 4.
std::optional<chosen_task> choose_task(connection& db, const take_operation& operation) {
  // In the order of that index, so that a long queue costs no more than the tasks that are looked at.
  statement query = db.prepare("SELECT id, max(ready_ms, due_ms), " LOCKKIT_TASK_NEEDS R"sql(
FROM task INDEXED BY task_ready
WHERE queue = ?1 AND state = 0 AND blockers = 0 AND due_ms <= ?2 ORDER BY priority DESC, id LIMIT ?3)sql");
  query.bind(operation.queue, monotonic_ms(), std::max<std::int64_t>(operation.options.look_at, 1));
  needs_ahead ahead(db);
  while (query.step()) {
    claim_request needs = needs_of(query, 2);
    prospect found = ahead.next(needs, query.integer(1));
    if (found.is_complete) return chosen_task{query.integer(0), std::move(needs), std::move(found.chosen)};
  }
  return std::nullopt;
}

granted_task take_task(connection& db, const take_operation& operation, const chosen_task& task,
                       std::int64_t owner_id) {
  const task_state state = operation.options.submitting ? task_state::submitting : task_state::taken;
  db.prepare("UPDATE task SET state = ?2, attempt = attempt + 1, claim_key = ?3, external = '' WHERE id = ?1")
      .bind(task.id, number(state), operation.claim_key)
      .run();
  const claim_operation claim{.request = task.needs, .owner_id = owner_id, .key = operation.claim_key};
  std::vector<claimed_item> items = grant(db, claim, task.units);
  add_attempt(db, task, operation.claim_key);
  note_task(db, task.id, "taken");
  auto granted = load_granted(db, operation.claim_key);
  granted->items = std::move(items);
  return std::move(*granted);
}

std::optional<granted_task> find_granted(connection& db, std::string_view claim_key) {
  auto items = find_items(db, claim_key);
  if (!items) return std::nullopt;
  auto granted = load_granted(db, claim_key);
  if (granted) granted->items = std::move(*items);
  return granted;
}

silent_ends list_silent_ends(connection& db, const take_operation& waiting) {
  silent_ends found;
  {
    statement query = db.prepare(
        "SELECT pid, pid_namespace, pidfd_inode, EXISTS (SELECT 1 FROM claim WHERE owner_id = owner.id AND life = 1) "
        "FROM owner WHERE EXISTS (SELECT 1 FROM claim WHERE owner_id = owner.id AND" LOCKKIT_HAS_HOLDER
        ") OR EXISTS (SELECT 1 FROM waiter WHERE owner_id = owner.id)");
    while (query.step()) {
      if (query.integer(3) != 0) {
        found.has_jobs = true;
      } else {
        found.processes.push_back({static_cast<std::int32_t>(query.integer(0)),
                                   static_cast<std::uint64_t>(query.integer(1)),
                                   static_cast<std::uint64_t>(query.integer(2))});
      }
    }
  }
  statement earliest = db.prepare(R"sql(
SELECT min(at) FROM (SELECT min(until_ms) AS at FROM claim WHERE until_ms IS NOT NULL
UNION ALL SELECT min(until_ms) FROM waiter WHERE until_ms > ?2
UNION ALL SELECT min(due_ms) FROM task WHERE queue = ?1 AND state = 0 AND blockers = 0 AND due_ms > ?2))sql");
  earliest.bind(waiting.queue, monotonic_ms());
  if (earliest.step() && !earliest.is_null(0)) found.earliest = deadline_at(earliest.integer(0));
  return found;
}

}  // namespace lockkit::detail
