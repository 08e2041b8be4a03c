/// Granting claims.
///
///  1. What is granted is chosen by claim_choice.cpp's rules.
///  2. If that is not enough, the owners of this pool's claims and waiters are asked for their life marks; the dead
///     ones' claims end, and the leases that have run out (claim_end.cpp), and the search is done once more.
///  3. Each granted resource's token grows by one, and is at least the epoch's first (schema.cpp, rule 3).
#include <algorithm>

#include "claim_choice.hpp"
#include "claim_end.hpp"
#include "claim_time.hpp"
#include "operations.hpp"

namespace lockkit::detail {
namespace {

claimed_item grant_one(connection& db, std::int64_t claim_id, const candidate& taken) {
  statement token = db.prepare(R"sql(
UPDATE resource SET token = max(token, (SELECT value << 40 FROM meta WHERE name = 'epoch')) + 1 WHERE id = ?
RETURNING token)sql");
  token.bind(taken.id).step();
  const std::int64_t value = token.integer(0);
  db.prepare("INSERT INTO claim_item(claim_id, resource_id, token) VALUES(?, ?, ?)")
      .bind(claim_id, taken.id, value)
      .run();
  return {taken.name, taken.group, fencing_token{static_cast<std::uint64_t>(value)}};
}

void note_grant(connection& db, const claim_operation& operation, const claimed_item& item) {
  db.prepare(R"sql(
INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid)
SELECT ?1, 'claimed', ?2, ?3, ?4, ?5, pid FROM owner WHERE id = ?6)sql")
      .bind(wall_ms(), operation.request.pool, item.name, operation.key, static_cast<std::int64_t>(item.token.value),
            operation.owner_id)
      .run();
}

std::int64_t add_claim(connection& db, const claim_operation& operation) {
  const bool is_lease = operation.request.life == claim_life::lease;
  const std::int64_t lease = std::min(operation.request.lease, longest_duration).count();
  const std::int64_t until = is_lease ? advance_lease_clock(db) + lease : 0;
  db.prepare(R"sql(
INSERT INTO claim(key, owner_id, life, lease_ms, until_ms, since_ms) VALUES(?1, ?2, ?3, ?4, nullif(?5, 0), ?6))sql")
      .bind(operation.key, operation.owner_id, static_cast<std::int64_t>(operation.request.life), lease, until,
            wall_ms())
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

}  // namespace

std::vector<claimed_item> grant(connection& db, const claim_operation& operation,
                                const std::vector<candidate>& chosen) {
  const std::int64_t claim_id = add_claim(db, operation);
  std::vector<claimed_item> items;
  for (const candidate& taken : chosen) {
    items.push_back(grant_one(db, claim_id, taken));
    note_grant(db, operation, items.back());
  }
  if (operation.ticket != 0) remove_waiter(db, operation.ticket);
  return items;
}

claim_result execute(connection& db, const claim_operation& operation, const death_check& is_dead) {
  require_json_object(db, operation.request.match);
  claim_result result;
  prospect found = look_for(db, operation);
  if (!found.is_complete) {
    result.buried = bury_dead(db, operation.request.pool, is_dead) > 0;
    if (result.buried) found = look_for(db, operation);
  }
  if (found.is_complete) {
    result.items = grant(db, operation, found.chosen);
    result.state = grant_state::granted;
  } else if (!could_ever_be_met(db, operation.request)) {
    result.state = grant_state::never;
  }
  return result;
}

bool is_worth_trying(connection& db, const claim_operation& operation, const death_check& is_dead) {
  require_json_object(db, operation.request.match);
  return look_for(db, operation).is_complete || !could_ever_be_met(db, operation.request) ||
         has_dead(db, operation.request.pool, is_dead);
}

std::int64_t add_waiter(connection& db, const claim_operation& operation, deadline until) {
  const claim_request& request = operation.request;
  db.prepare(R"sql(
INSERT INTO waiter(owner_id, pool, count, memory, grp, one_group, attributes, since_ms, until_ms)
VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0)))sql")
      .bind(operation.owner_id, request.pool, std::int64_t{request.count}, stored_memory(request.memory), request.group,
            std::int64_t{request.one_group}, request.match, monotonic_ms(),
            until.is_never() ? std::int64_t{0} : monotonic_ms(until))
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

void remove_waiter(connection& db, std::int64_t ticket) {
  db.prepare("DELETE FROM waiter WHERE ticket = ?").bind(ticket).run();
}

}  // namespace lockkit::detail
