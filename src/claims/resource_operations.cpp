/// Resources and the record of what happened to them.
#include <algorithm>

#include <lockkit/error.hpp>

#include "claim_time.hpp"
#include "operations.hpp"

namespace lockkit::detail {
namespace {

void note(connection& db, std::string_view what, std::string_view pool, std::string_view name) {
  db.prepare("INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid) VALUES(?, ?, ?, ?, '', 0, 0)")
      .bind(wall_ms(), what, pool, name)
      .run();
}

std::string_view kind_of(resource_state state) noexcept {
  switch (state) {
    case resource_state::up:
      return "restored";
    case resource_state::drained:
      return "drained";
    case resource_state::retired:
      return "retired";
  }
  return "changed";
}

}  // namespace

void require_json_object(connection& db, std::string_view text) {
  statement query = db.prepare("SELECT CASE WHEN json_valid(?1) THEN json_type(?1) = 'object' ELSE 0 END");
  query.bind(text);
  query.step();
  if (query.integer(0) != 1) throw sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
}

bool add_resource(connection& db, const resource& what) {
  if (what.memory >= std::numeric_limits<std::int64_t>::max()) {
    throw sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
  }
  require_json_object(db, what.attributes);
  const int changed = db.prepare(R"sql(
INSERT INTO resource(pool, name, capacity, grp, memory, attributes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT(pool, name) DO UPDATE
SET capacity = ?3, grp = ?4, memory = ?5, attributes = ?6, state = iif(state = 2, 0, state)
WHERE capacity <> ?3 OR grp <> ?4 OR memory <> ?5 OR attributes <> ?6 OR state = 2)sql")
                          .bind(what.pool, what.name, std::int64_t{what.capacity}, what.group,
                                static_cast<std::int64_t>(what.memory), what.attributes)
                          .run();
  if (changed > 0) note(db, "added", what.pool, what.name);
  return changed > 0;
}

bool change_state(connection& db, std::string_view pool, std::string_view name, resource_state state) {
  const auto wanted = static_cast<std::int64_t>(state);
  statement query = db.prepare("SELECT state FROM resource WHERE pool = ? AND name = ?");
  if (!query.bind(pool, name).step()) throw sqlite_failure{errc::no_such_resource};
  if (query.integer(0) == wanted) return false;
  db.prepare("UPDATE resource SET state = ?3 WHERE pool = ?1 AND name = ?2").bind(pool, name, wanted).run();
  note(db, kind_of(state), pool, name);
  return true;
}

std::vector<resource_status> list_resources(connection& db, std::string_view pool, bool retired) {
  statement query = db.prepare(R"sql(
SELECT pool, name, capacity, grp, memory, attributes, state, used, token FROM resource
WHERE (?1 = '' OR pool = ?1) AND (state <> 2 OR used > 0 OR ?2 = 1) ORDER BY pool, name)sql");
  query.bind(pool, std::int64_t{retired});
  std::vector<resource_status> found;
  while (query.step()) {
    resource_status status;
    status.what = {query.text(0),
                   query.text(1),
                   static_cast<std::uint32_t>(query.integer(2)),
                   query.text(3),
                   static_cast<std::uint64_t>(query.integer(4)),
                   query.text(5)};
    status.state = static_cast<resource_state>(query.integer(6));
    status.used = static_cast<std::uint32_t>(query.integer(7));
    status.token = fencing_token{static_cast<std::uint64_t>(query.integer(8))};
    found.push_back(std::move(status));
  }
  return found;
}

std::vector<claim_event> list_events(connection& db, std::uint64_t after, std::size_t limit) {
  statement query = db.prepare(
      "SELECT id, at_ms, kind, pool, name, claim_key, token, pid, task_id FROM event WHERE id > ? ORDER BY id LIMIT ?");
  query.bind(static_cast<std::int64_t>(after), static_cast<std::int64_t>(std::min(limit, std::size_t{1'000'000})));
  std::vector<claim_event> found;
  while (query.step()) {
    found.push_back({static_cast<std::uint64_t>(query.integer(0)), at_wall(query.integer(1)), query.text(2),
                     query.text(3), query.text(4), query.text(5),
                     fencing_token{static_cast<std::uint64_t>(query.integer(6))},
                     static_cast<std::int32_t>(query.integer(7)), static_cast<std::uint64_t>(query.integer(8))});
  }
  return found;
}

}  // namespace lockkit::detail
