/// Claims and owners as they stand.
#include "claim_end.hpp"
#include "claim_time.hpp"
#include "operations.hpp"

namespace lockkit::detail {
namespace {

claim_status status_at(statement& query, const death_check& is_dead) {
  claim_status status;
  status.key = query.text(0);
  status.life = static_cast<claim_life>(query.integer(1));
  const bool has_mark = status.life == claim_life::process || status.life == claim_life::job;
  const bool has_run_out = !query.is_null(3) && query.integer(3) <= monotonic_ms();
  status.alive = !has_run_out && (!has_mark || !is_dead(query.integer(2)));
  status.since = std::chrono::system_clock::time_point(std::chrono::milliseconds(query.integer(4)));
  status.pid = static_cast<std::int32_t>(query.integer(5));
  status.host = query.text(6);
  status.command = query.text(7);
  status.label = query.text(8);
  return status;
}

struct holding {
  std::string pool;
  std::vector<claimed_item> items;
};

holding holding_of(connection& db, std::string_view key) {
  statement query = db.prepare(R"sql(
SELECT r.pool, r.name, r.grp, i.token FROM claim c JOIN claim_item i ON i.claim_id = c.id
  JOIN resource r ON r.id = i.resource_id
WHERE c.key = ?)sql");
  query.bind(key);
  holding found;
  while (query.step()) {
    found.pool = query.text(0);
    found.items.push_back({query.text(1), query.text(2), fencing_token{static_cast<std::uint64_t>(query.integer(3))}});
  }
  return found;
}

void remove_unused_owners(connection& db, const death_check& is_dead) {
  std::vector<std::int64_t> ids;
  {
    statement query = db.prepare(R"sql(
SELECT id FROM owner WHERE NOT EXISTS (SELECT 1 FROM claim WHERE owner_id = owner.id)
  AND NOT EXISTS (SELECT 1 FROM waiter WHERE owner_id = owner.id))sql");
    while (query.step()) ids.push_back(query.integer(0));
  }
  for (const std::int64_t id : ids) {
    if (is_dead(id)) db.prepare("DELETE FROM owner WHERE id = ?").bind(id).run();
  }
}

}  // namespace

std::vector<claim_status> list_claims(connection& db, const death_check& is_dead) {
  statement query = db.prepare(R"sql(
SELECT c.key, c.life, c.owner_id, c.until_ms, c.since_ms, o.pid, o.host, o.command, o.label
FROM claim c JOIN owner o ON o.id = c.owner_id ORDER BY c.id)sql");
  std::vector<claim_status> found;
  while (query.step()) {
    found.push_back(status_at(query, is_dead));
    holding held = holding_of(db, found.back().key);
    found.back().pool = std::move(held.pool);
    found.back().items = std::move(held.items);
  }
  return found;
}

std::optional<std::vector<claimed_item>> find_items(connection& db, std::string_view key) {
  if (!claim_stands(db, key)) return std::nullopt;
  return holding_of(db, key).items;
}

std::int64_t add_owner(connection& db, const owner& self, const death_check& is_dead) {
  remove_unused_owners(db, is_dead);
  db.prepare(R"sql(
INSERT INTO owner(host, boot_id, pid_namespace, pid, pidfd_inode, start_time, command, label, since_ms)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?))sql")
      .bind(self.host, self.boot_id, static_cast<std::int64_t>(self.pid_namespace), std::int64_t{self.pid},
            static_cast<std::int64_t>(self.pidfd_inode), static_cast<std::int64_t>(self.start_time), self.command,
            self.label, wall_ms())
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

silent_ends list_silent_ends(connection& db, const claim_operation& waiting) {
  silent_ends found;
  {
    statement query = db.prepare(R"sql(
SELECT c.life = 1, o.pid, o.pid_namespace, o.pidfd_inode FROM claim c JOIN owner o ON o.id = c.owner_id
WHERE c.life <= 1 AND c.id IN
  (SELECT claim_id FROM claim_item WHERE resource_id IN (SELECT id FROM resource WHERE pool = ?1))
UNION SELECT 0, o.pid, o.pid_namespace, o.pidfd_inode FROM waiter w JOIN owner o ON o.id = w.owner_id
WHERE w.pool = ?1 AND w.ticket < ?2)sql");
    query.bind(waiting.request.pool, waiting.ticket);
    while (query.step()) {
      if (query.integer(0) != 0) {
        found.has_jobs = true;
      } else {
        found.processes.push_back({static_cast<std::int32_t>(query.integer(1)),
                                   static_cast<std::uint64_t>(query.integer(2)),
                                   static_cast<std::uint64_t>(query.integer(3))});
      }
    }
  }
  statement earliest = db.prepare(R"sql(
SELECT min(until_ms) FROM (SELECT until_ms FROM claim WHERE until_ms IS NOT NULL
UNION ALL SELECT until_ms FROM waiter WHERE pool = ?1 AND ticket < ?2 AND until_ms > ?3))sql");
  earliest.bind(waiting.request.pool, waiting.ticket, monotonic_ms());
  if (earliest.step() && !earliest.is_null(0)) found.earliest = deadline_at(earliest.integer(0));
  return found;
}

}  // namespace lockkit::detail
