/// How claims end.
///
///  1. Whatever ends a claim goes through end_claim(): what else must happen then happens for all.
///  2. What a look found before the transaction began counts for nothing: whether an owner is dead or a lease has run out
///     is asked again inside the transaction that ends the claim.
///  3. A lease is ended by whoever needs its resource, not by a clock somewhere: until then a late holder's work is still
///     protected, although renew() and verify() tell it that it is late.
///  4. Claims of process and job end with their owner's life mark, leases with their time, and the rest with a release
///     (claim_life). A dead owner's leases run on. A task's claim that only a release ends, however, ends with its
///     holder unless the task may go on elsewhere: nobody would ever release it.
#include "claim_end.hpp"

#include <algorithm>
#include <vector>

#include <lockkit/error.hpp>

#include "claim_time.hpp"
#include "task_operations.hpp"

namespace lockkit::detail {
namespace {

std::string_view name_of(claim_end how) noexcept {
  switch (how) {
    case claim_end::released:
      return "released";
    case claim_end::died:
      return "died";
    case claim_end::expired:
      return "expired";
    case claim_end::ended:
      break;
  }
  return "ended";
}

/// Owners whose life marks decide about something.
std::vector<std::int64_t> marked_owners(connection& db, std::string_view pool) {
  constexpr const char* everywhere =
      "SELECT owner_id FROM claim WHERE" LOCKKIT_HAS_HOLDER "UNION SELECT owner_id FROM waiter";
  constexpr const char* in_pool = "SELECT owner_id FROM claim WHERE" LOCKKIT_HAS_HOLDER R"sql(AND id IN
  (SELECT claim_id FROM claim_item WHERE resource_id IN (SELECT id FROM resource WHERE pool = ?1))
UNION SELECT owner_id FROM waiter WHERE pool = ?1)sql";
  statement query = db.prepare(pool.empty() ? everywhere : in_pool);
  if (!pool.empty()) query.bind(pool);
  std::vector<std::int64_t> owners;
  while (query.step()) owners.push_back(query.integer(0));
  return owners;
}

std::size_t bury(connection& db, std::int64_t owner_id) {
  std::vector<std::string> keys;
  {
    statement query = db.prepare("SELECT key FROM claim WHERE owner_id = ? AND" LOCKKIT_HAS_HOLDER);
    query.bind(owner_id);
    while (query.step()) keys.push_back(query.text(0));
  }
  for (const std::string& key : keys) lose_holder(db, key);
  const int waiters = db.prepare("DELETE FROM waiter WHERE owner_id = ?").bind(owner_id).run();
  return keys.size() + static_cast<std::size_t>(waiters);
}

bool is_lasting(connection& db, std::string_view key) {
  statement query = db.prepare("SELECT 1 FROM claim WHERE key = ? AND life = 3");
  return query.bind(key).step();
}

std::vector<std::string> expired_leases(connection& db) {
  std::vector<std::string> keys;
  {
    statement query = db.prepare("SELECT key FROM claim WHERE until_ms <= ?");
    query.bind(monotonic_ms());
    while (query.step()) keys.push_back(query.text(0));
  }
  if (!keys.empty()) (void)lease_clock(db);  // by another clock they may have run out early
  return keys;
}

}  // namespace

bool end_claim(connection& db, std::string_view key, claim_end how) {
  give_back_task(db, key);
  db.prepare(R"sql(
INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid)
SELECT ?2, ?3, r.pool, r.name, c.key, i.token, o.pid
FROM claim c JOIN claim_item i ON i.claim_id = c.id JOIN resource r ON r.id = i.resource_id
  JOIN owner o ON o.id = c.owner_id
WHERE c.key = ?1)sql")
      .bind(key, wall_ms(), name_of(how))
      .run();
  return db.prepare("DELETE FROM claim WHERE key = ?").bind(key).run() > 0;
}

void lose_holder(connection& db, std::string_view key) {
  if (is_lasting(db, key) && has_task_outside(db, key)) {
    give_back_task(db, key);
  } else {
    end_claim(db, key, claim_end::died);
  }
}

bool release_claim(connection& db, std::string_view key, claim_life life) {
  const bool is_late = life == claim_life::lease && !claim_stands(db, key);
  return end_claim(db, key, is_late ? claim_end::expired : claim_end::released) && !is_late;
}

bool drop_claim(connection& db, std::string_view key, claim_life life) {
  if (life != claim_life::released || !has_task_outside(db, key)) return release_claim(db, key, life);
  give_back_task(db, key);
  return true;
}

std::size_t bury_dead(connection& db, std::string_view pool, const death_check& is_dead) {
  std::size_t ended = 0;
  for (const std::int64_t owner_id : marked_owners(db, pool)) {
    if (is_dead(owner_id)) ended += bury(db, owner_id);
  }
  for (const std::string& key : expired_leases(db)) ended += end_claim(db, key, claim_end::expired) ? 1 : 0;
  return ended;
}

bool has_dead(connection& db, std::string_view pool, const death_check& is_dead) {
  return std::ranges::any_of(marked_owners(db, pool), is_dead) || !expired_leases(db).empty();
}

std::int64_t lease_clock(connection& db) {
  statement query = db.prepare("SELECT value FROM meta WHERE name = 'clock_ms'");
  const std::int64_t latest = query.step() ? query.integer(0) : 0;
  // After the database: what others have written since, in a look without a transaction, is later than a clock read before.
  const std::int64_t now = monotonic_ms();
  if (latest > now) throw sqlite_failure{errc::foreign_clock};
  return now;
}

std::int64_t advance_lease_clock(connection& db) {
  const std::int64_t now = lease_clock(db);
  db.prepare("UPDATE meta SET value = ? WHERE name = 'clock_ms'").bind(now).run();
  return now;
}

bool renew_claim(connection& db, std::string_view key) {
  const std::int64_t now = advance_lease_clock(db);
  return db.prepare(R"sql(
UPDATE claim SET until_ms = max(until_ms, ?2 + lease_ms) WHERE key = ?1 AND (until_ms IS NULL OR until_ms > ?2))sql")
             .bind(key, now)
             .run() > 0;
}

bool claim_stands(connection& db, std::string_view key) {
  statement query = db.prepare("SELECT until_ms FROM claim WHERE key = ?");
  if (!query.bind(key).step()) return false;
  return query.is_null(0) || query.integer(0) > lease_clock(db);
}

}  // namespace lockkit::detail
