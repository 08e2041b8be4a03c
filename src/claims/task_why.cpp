/// What a task waits for, in sentences for people.
///
/// Read-only, and with the same steps as a take: what is said to stand in the way is what stands in the way.
#include <fmt/format.h>

#include <algorithm>

#include <lockkit/error.hpp>

#include "claim_time.hpp"
#include "needs_text.hpp"
#include "task_needs.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

using kind = wait_reason::kind;
using reasons = std::vector<wait_reason>;

std::string_view state_of_dependency(connection& db, std::int64_t id, std::string& key) {
  statement query = db.prepare("SELECT key, state FROM task WHERE id = ?");
  if (!query.bind(id).step()) return "removed before it was done";
  key = query.text(0);
  return to_string(static_cast<task_state>(query.integer(1)));
}

void add_dependencies(connection& db, std::int64_t id, reasons& found) {
  statement query = db.prepare("SELECT on_id FROM task_dependency WHERE task_id = ? ORDER BY on_id");
  query.bind(id);
  while (query.step()) {
    std::string key;
    const std::string_view state = state_of_dependency(db, query.integer(0), key);
    found.push_back({kind::dependency, key.empty()
                                           ? fmt::format("dependency {} ({})", query.integer(0), state)
                                           : fmt::format("dependency {} (\"{}\", {})", query.integer(0), key, state)});
  }
}

void add_due(std::int64_t due_ms, reasons& found) {
  const std::int64_t left = due_ms - monotonic_ms();
  if (left > 0) found.push_back({kind::due, fmt::format("due in {:.1f} s", static_cast<double>(left) / 1000)});
}

std::string holder_of(connection& db, const task_record& task, const death_check& is_dead) {
  statement query = db.prepare(
      "SELECT o.pid, o.host, o.command, o.id, c.life FROM claim c JOIN owner o ON o.id = c.owner_id WHERE c.key = ?");
  if (!query.bind(task.claim_key).step()) return "nobody that is known here";
  const bool lives_on = query.integer(4) == 2;  // a lease
  const bool is_gone = !lives_on && is_dead(query.integer(3));
  return fmt::format("pid {} on {} ({}){}", query.integer(0), query.text(1), query.text(2),
                     is_gone ? ", which is gone: the next take notices" : "");
}

void add_held(connection& db, const task_record& task, const death_check& is_dead, reasons& found) {
  const std::string name = task.external.empty() ? std::string() : fmt::format(" as \"{}\"", task.external);
  const std::string what = fmt::format("attempt {} of {}", task.attempt, task.max_attempts);
  if (task.state == task_state::unknown) {
    found.push_back(
        {kind::held, fmt::format("{}: its holder is gone, and it may go on{}; whoever finds out reports it, "
                                 "or retry() gives it up",
                                 what, name)});
  } else {
    found.push_back({kind::held, fmt::format("{}: {}{}, held by {}", what, to_string(task.state), name,
                                             holder_of(db, task, is_dead))});
  }
  if (task.cancel_wanted) {
    found.push_back({kind::cancelled, "its cancellation is wanted, and not reported yet"});
  }
}

void add_over(const task_record& task, reasons& found) {
  const kind what = task.state == task_state::cancelled ? kind::cancelled : kind::over;
  const bool plain = task.state == task_state::done || task.result.empty();
  found.push_back(
      {what, plain ? std::string(to_string(task.state)) : fmt::format("{}: {}", to_string(task.state), task.result)});
}

/// Those that a take meets before the task.
struct tasks_ahead {
  std::int64_t count = 0;
  kept_units kept;
  std::vector<std::string> keepers;
};

std::string named(std::int64_t id, const std::string& key) {
  return fmt::format("task {} (\"{}\")", id, key);
}

/// What one of them takes or sets aside of the pool that matters.
void follow(needs_ahead& ahead, const claim_request& needs, std::int64_t since, const std::string& name,
            std::string_view pool, tasks_ahead& found) {
  const prospect theirs = ahead.next(needs, since);
  if (theirs.is_complete) ahead.give(theirs);
  if (theirs.chosen.empty() || needs.pool != pool) return;
  found.keepers.push_back(
      theirs.is_complete ? fmt::format("{}, which goes first", name)
                         : fmt::format("{}, which has set aside {} of pool \"{}\"", name, theirs.chosen.size(), pool));
}

struct ready_record {
  std::int64_t blockers = 0;
  std::int64_t due_ms = 0;
  claim_request needs;
};

ready_record load_ready(connection& db, std::int64_t id) {
  statement query = db.prepare("SELECT blockers, due_ms, " LOCKKIT_TASK_NEEDS " FROM task WHERE id = ?");
  query.bind(id).step();
  return {query.integer(0), query.integer(1), needs_of(query, 2)};
}

/// The task itself is one of those that a take meets: there the look ends.
tasks_ahead look_ahead(connection& db, std::string_view queue, std::int64_t id, const ready_record& ready) {
  statement query = db.prepare("SELECT id, key, max(ready_ms, due_ms), " LOCKKIT_TASK_NEEDS R"sql(
FROM task INDEXED BY task_ready WHERE queue = ?1 AND state = 0 AND blockers = 0 AND due_ms <= ?2
ORDER BY priority DESC, id LIMIT 1000)sql");
  query.bind(queue, monotonic_ms());
  tasks_ahead found;
  needs_ahead ahead(db);
  while (query.step() && query.integer(0) != id) {
    ++found.count;
    follow(ahead, needs_of(query, 3), query.integer(2), named(query.integer(0), query.text(1)), ready.needs.pool,
           found);
  }
  found.kept = ahead.kept();
  return found;
}

void add_behind(const tasks_ahead& ahead, reasons& found) {
  std::string text = fmt::format("behind {}", ahead.keepers.front());
  for (std::size_t i = 1; i < ahead.keepers.size() && i < 3; ++i) text += fmt::format("; {}", ahead.keepers[i]);
  if (ahead.keepers.size() > 3) text += fmt::format("; and {} more", ahead.keepers.size() - 3);
  found.push_back({kind::behind, std::move(text)});
}

void add_position(const tasks_ahead& ahead, reasons& found) {
  constexpr std::int64_t looked_at = take_options{}.look_at;
  if (ahead.count < looked_at) return;
  found.push_back(
      {kind::behind, fmt::format("behind {} ready tasks; a take looks at the first {} unless told otherwise",
                                 ahead.count, looked_at)});
}

void add_waiting(connection& db, std::string_view queue, const task_record& task, const death_check& is_dead,
                 reasons& found) {
  const ready_record ready = load_ready(db, task.id);
  add_dependencies(db, task.id, found);
  add_due(ready.due_ms, found);
  if (!ready.needs.pool.empty() && !look_for(db, {.request = ready.needs}).is_complete) {
    found.push_back({kind::resources, explain_needs(db, ready.needs, is_dead)});
    return;
  }
  if (!found.empty()) return;  // who else is ready by then can't be known
  const tasks_ahead ahead = look_ahead(db, queue, task.id, ready);
  const bool served = ready.needs.pool.empty() || look_for(db, {.request = ready.needs}, ahead.kept).is_complete;
  // A claim's waiter may have run out of patience in between: then nobody here stands in the way.
  if (!served && !ahead.keepers.empty()) add_behind(ahead, found);
  add_position(ahead, found);
}

}  // namespace

reasons explain_task(connection& db, std::string_view queue, std::uint64_t id, const death_check& is_dead) {
  // As long as a statement stands on a row, all see the database as it is now: what one finds the next finds, too.
  statement view = db.prepare("SELECT 1 FROM task");
  (void)view.step();
  const task_record task = require_task(db, queue, id);
  reasons found;
  if (is_over(task.state)) {
    add_over(task, found);
  } else if (task.state != task_state::ready) {
    add_held(db, task, is_dead, found);
  } else {
    add_waiting(db, queue, task, is_dead, found);
  }
  return found;
}

}  // namespace lockkit::detail
