/// Tasks and their attempts, as they stand.
#include <algorithm>

#include "claim_time.hpp"
#include "task_needs.hpp"
#include "task_record.hpp"

namespace lockkit::detail {
namespace {

using wall_time = std::chrono::system_clock::time_point;

std::optional<wall_time> at_wall_if_any(const statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return at_wall(row.integer(column));
}

std::int64_t at_most_a_million(std::size_t limit) noexcept {
  return static_cast<std::int64_t>(std::min(limit, std::size_t{1'000'000}));
}

#define LOCKKIT_TASK_STATUS                                                                                      \
  "SELECT id, queue, key, payload, state, priority, attempt, max_attempts, cancel_wanted, claim_key, external, " \
  "result, submitted_ms, ended_ms, " LOCKKIT_TASK_NEEDS " FROM task "

task_status status_of(const statement& row) {
  return {.id = static_cast<std::uint64_t>(row.integer(0)),
          .queue = row.text(1),
          .key = row.text(2),
          .payload = row.text(3),
          .state = static_cast<task_state>(row.integer(4)),
          .priority = static_cast<std::int32_t>(row.integer(5)),
          .attempt = static_cast<std::uint32_t>(row.integer(6)),
          .max_attempts = static_cast<std::uint32_t>(row.integer(7)),
          .cancel_wanted = row.integer(8) != 0,
          .claim_key = row.text(9),
          .external = row.text(10),
          .result = row.text(11),
          .needs = needs_of(row, 14),
          .submitted = at_wall(row.integer(12)),
          .ended = at_wall_if_any(row, 13)};
}

std::vector<claimed_item> items_of(connection& db, const std::string& json) {
  statement query = db.prepare(R"sql(
SELECT json_extract(value, '$.name'), json_extract(value, '$.group'), json_extract(value, '$.token')
FROM json_each(?))sql");
  query.bind(json);
  std::vector<claimed_item> items;
  while (query.step()) {
    items.push_back({query.text(0), query.text(1), fencing_token{static_cast<std::uint64_t>(query.integer(2))}});
  }
  return items;
}

task_attempt attempt_of(connection& db, const statement& row) {
  return {.id = static_cast<std::uint64_t>(row.integer(0)),
          .task = static_cast<std::uint64_t>(row.integer(1)),
          .key = row.text(2),
          .attempt = static_cast<std::uint32_t>(row.integer(3)),
          .items = items_of(db, row.text(4)),
          .taken = at_wall(row.integer(5)),
          .running = at_wall_if_any(row, 6),
          .ended = at_wall_if_any(row, 7),
          .outcome = row.text(8)};
}

}  // namespace

std::optional<task_status> find_task(connection& db, std::string_view queue, std::uint64_t id) {
  statement query = db.prepare(LOCKKIT_TASK_STATUS "WHERE id = ? AND queue = ?");
  if (!query.bind(number(id), queue).step()) return std::nullopt;
  return status_of(query);
}

std::vector<task_status> list_tasks(connection& db, std::string_view queue, const task_filter& filter) {
  // Two statements: one goes along the tasks of a state, which may be few among many. The other goes along the numbers:
  // without the plus SQLite would sort the whole queue for each page.
  const bool any_state = !filter.state;
  statement query =
      db.prepare(any_state ? LOCKKIT_TASK_STATUS "WHERE +queue = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
                           : LOCKKIT_TASK_STATUS "WHERE queue = ?1 AND id > ?2 AND state = ?4 ORDER BY id LIMIT ?3");
  const std::int64_t limit = at_most_a_million(filter.limit);
  if (any_state) {
    query.bind(queue, number(filter.after), limit);
  } else {
    query.bind(queue, number(filter.after), limit, number(*filter.state));
  }
  std::vector<task_status> found;
  while (query.step()) found.push_back(status_of(query));
  return found;
}

std::vector<task_attempt> list_attempts(connection& db, std::string_view queue, std::uint64_t after,
                                        std::size_t limit) {
  statement query = db.prepare(R"sql(
SELECT id, task_id, key, attempt, items, taken_ms, running_ms, ended_ms, outcome FROM task_attempt
WHERE queue = ? AND id > ? ORDER BY id LIMIT ?)sql");
  query.bind(queue, number(after), at_most_a_million(limit));
  std::vector<task_attempt> found;
  while (query.step()) found.push_back(attempt_of(db, query));
  return found;
}

}  // namespace lockkit::detail
