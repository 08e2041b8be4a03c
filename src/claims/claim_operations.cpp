/// Granting claims.
///
///  1. Candidates are the pool's resources that are up, have a unit free and match the request, the smallest that fits
///     first, then the least recently used. All or nothing.
///  2. Waiters come before newcomers, in the order of their tickets: what an earlier waiter could take now is reserved
///     for it. What nobody before could use is not: a free unit is never refused for the sake of somebody whom it would
///     not help.
///  3. An earlier waiter who wants several and can't have all of them yet reserves what it could use only after it has
///     waited for a while (patience). Until then smaller requests may pass; then they may not, or it would never have
///     all at once.
///  4. If that is not enough, the owners of this pool's claims and waiters are asked for their life marks; the dead
///     ones' claims end, and the leases that have run out (claim_end.cpp), and the search is done once more.
///  5. Each granted resource's token grows by one, and is at least the epoch's first (schema.cpp, rule 3).
#include <algorithm>

#include "claim_end.hpp"
#include "claim_time.hpp"
#include "operations.hpp"

namespace lockkit::detail {
namespace {

struct candidate {
  std::int64_t id;
  std::string name;
  std::string group;
};

// One condition for every request: the parts that a request does not use cost a comparison of constants.
constexpr const char* find_free = R"sql(  -- by the index resource_free, however many are taken
SELECT id, name, grp FROM resource
WHERE pool = ?1 AND state = 0 AND used < capacity AND memory >= ?2 AND (?3 = '' OR grp = ?3) AND (?4 = '{}' OR
  NOT EXISTS (SELECT 1 FROM json_each(?4) AS want WHERE
    (SELECT value FROM json_each(resource.attributes) AS have WHERE have.key = want.key) IS NOT want.value))
ORDER BY memory, last_used, id LIMIT ?5)sql";
constexpr const char* find_all = R"sql(
SELECT id, name, grp FROM resource
WHERE pool = ?1 AND state = 0 AND memory >= ?2 AND (?3 = '' OR grp = ?3) AND (?4 = '{}' OR
  NOT EXISTS (SELECT 1 FROM json_each(?4) AS want WHERE
    (SELECT value FROM json_each(resource.attributes) AS have WHERE have.key = want.key) IS NOT want.value))
LIMIT ?5)sql";

enum class look_at { free_ones, all };
constexpr std::int64_t no_limit = -1;

std::vector<candidate> matching(connection& db, const claim_request& request, look_at which,
                                std::int64_t limit = no_limit) {
  statement query = db.prepare(which == look_at::free_ones ? find_free : find_all);
  query.bind(request.pool, static_cast<std::int64_t>(request.memory), request.group, request.match, limit);
  std::vector<candidate> found;
  while (query.step()) found.push_back({query.integer(0), query.text(1), query.text(2)});
  return found;
}

/// The group with the fewest candidates that still has enough of them; its candidates come first.
void keep_one_group(std::vector<candidate>& found, std::size_t count) {
  std::string best;
  std::size_t best_size = 0;
  for (const candidate& each : found) {
    const auto size = static_cast<std::size_t>(std::ranges::count(found, each.group, &candidate::group));
    if (size >= count && (best_size == 0 || size < best_size)) {
      best = each.group;
      best_size = size;
    }
  }
  std::erase_if(found, [&](const candidate& each) { return best_size == 0 || each.group != best; });
}

/// What the request would get of `found`; fewer than it wants if there are not enough.
std::vector<candidate> choose(std::vector<candidate> found, const claim_request& request) {
  if (request.one_group) keep_one_group(found, request.count);
  if (found.size() > request.count) found.resize(request.count);
  return found;
}

struct waiting {
  std::int64_t ticket;
  claim_request request;
  bool patient_no_more;
};

std::vector<waiting> waiters_before(connection& db, const claim_operation& operation) {
  statement query = db.prepare(R"sql(
SELECT ticket, count, memory, grp, one_group, attributes, since_ms FROM waiter
WHERE pool = ?1 AND (?2 = 0 OR ticket < ?2) AND (until_ms IS NULL OR until_ms > ?3) ORDER BY ticket)sql");
  const std::int64_t now = monotonic_ms();
  query.bind(operation.request.pool, operation.ticket, now);
  std::vector<waiting> found;
  constexpr std::int64_t patience_ms = 1000;
  while (query.step()) {
    claim_request request{.pool = operation.request.pool};
    request.count = static_cast<std::uint32_t>(query.integer(1));
    request.memory = static_cast<std::uint64_t>(query.integer(2));
    request.group = query.text(3);
    request.one_group = query.integer(4) != 0;
    request.match = query.text(5);
    found.push_back({query.integer(0), std::move(request), now - query.integer(6) > patience_ms});
  }
  return found;
}

/// Rules 1 to 3: what the operation can have now.
std::vector<candidate> available(connection& db, const claim_operation& operation) {
  const std::vector<waiting> before = waiters_before(db, operation);
  const bool first_will_do = before.empty() && !operation.request.one_group;
  std::vector<candidate> found =
      matching(db, operation.request, look_at::free_ones, first_will_do ? operation.request.count : no_limit);
  if (found.size() < operation.request.count) return {};
  for (const waiting& earlier : before) {
    const auto reserved = choose(matching(db, earlier.request, look_at::free_ones), earlier.request);
    if (reserved.size() < earlier.request.count && !earlier.patient_no_more) continue;
    for (const candidate& taken : reserved) {
      std::erase_if(found, [&](const candidate& each) { return each.id == taken.id; });
    }
  }
  found = choose(std::move(found), operation.request);
  return found.size() == operation.request.count ? found : std::vector<candidate>();
}

bool could_ever_be_met(connection& db, const claim_request& request) {
  return choose(matching(db, request, look_at::all), request).size() == request.count;
}

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
  const std::int64_t lease = operation.request.lease.count();
  const std::int64_t until = is_lease ? advance_lease_clock(db) + lease : 0;
  db.prepare(R"sql(
INSERT INTO claim(key, owner_id, life, lease_ms, until_ms, since_ms) VALUES(?1, ?2, ?3, ?4, nullif(?5, 0), ?6))sql")
      .bind(operation.key, operation.owner_id, static_cast<std::int64_t>(operation.request.life), lease, until,
            wall_ms())
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

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

}  // namespace

claim_result execute(connection& db, const claim_operation& operation, const death_check& is_dead) {
  const bool needs_nothing = operation.request.count == 0;
  if (!needs_nothing) require_json_object(db, operation.request.match);
  claim_result result;
  std::vector<candidate> chosen;
  if (!needs_nothing) chosen = available(db, operation);
  if (!needs_nothing && chosen.empty()) {
    result.buried = bury_dead(db, operation.request.pool, is_dead) > 0;
    if (result.buried) chosen = available(db, operation);
  }
  if (needs_nothing || !chosen.empty()) {
    result.items = grant(db, operation, chosen);
    result.state = grant_state::granted;
  } else if (!could_ever_be_met(db, operation.request)) {
    result.state = grant_state::never;
  }
  return result;
}

bool is_worth_trying(connection& db, const claim_operation& operation, const death_check& is_dead) {
  if (operation.request.count == 0) return true;
  require_json_object(db, operation.request.match);
  return !available(db, operation).empty() || !could_ever_be_met(db, operation.request) ||
         has_dead(db, operation.request.pool, is_dead);
}

std::int64_t add_waiter(connection& db, const claim_operation& operation, deadline until) {
  const claim_request& request = operation.request;
  db.prepare(R"sql(
INSERT INTO waiter(owner_id, pool, count, memory, grp, one_group, attributes, since_ms, until_ms)
VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0)))sql")
      .bind(operation.owner_id, request.pool, std::int64_t{request.count}, static_cast<std::int64_t>(request.memory),
            request.group, std::int64_t{request.one_group}, request.match, monotonic_ms(),
            until.is_never() ? std::int64_t{0} : monotonic_ms(until))
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

void remove_waiter(connection& db, std::int64_t ticket) {
  db.prepare("DELETE FROM waiter WHERE ticket = ?").bind(ticket).run();
}

}  // namespace lockkit::detail
