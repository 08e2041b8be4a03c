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
///     ones' claims end, with an event each, and the search is done once more.
///  5. Each granted resource's token grows by one, and is at least the epoch's first (schema.cpp, rule 3).
#include <algorithm>

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
#define LOCKKIT_MATCHING                                                                                      \
  "memory >= ?2 AND (?3 = '' OR grp = ?3) AND (?4 = '{}' OR NOT EXISTS (SELECT 1 FROM json_each(?4) AS want " \
  "WHERE (SELECT value FROM json_each(resource.attributes) AS have WHERE have.key = want.key) IS NOT want.value)) "
constexpr const char* find_free =  // by the index resource_free, however many are taken
    "SELECT id, name, grp FROM resource WHERE pool = ?1 AND state = 0 AND used < capacity AND " LOCKKIT_MATCHING
    "ORDER BY memory, last_used, id LIMIT ?5";
constexpr const char* find_all =
    "SELECT id, name, grp FROM resource WHERE pool = ?1 AND state = 0 AND " LOCKKIT_MATCHING "LIMIT ?5";
#undef LOCKKIT_MATCHING

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
  statement query = db.prepare(
      "SELECT ticket, count, memory, grp, one_group, attributes, since_ms FROM waiter WHERE pool = ?1 AND (?2 = 0 OR "
      "ticket "
      "< "
      "?2) ORDER BY ticket");
  query.bind(operation.request.pool, operation.ticket);
  std::vector<waiting> found;
  const std::int64_t now = monotonic_ms();
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

std::vector<std::int64_t> owners_in_pool(connection& db, std::string_view pool) {
  statement query = db.prepare(
      "SELECT owner_id FROM claim WHERE id IN (SELECT claim_id FROM claim_item WHERE resource_id IN (SELECT id FROM "
      "resource WHERE pool = ?1)) UNION SELECT owner_id FROM waiter WHERE pool = ?1");
  query.bind(pool);
  std::vector<std::int64_t> owners;
  while (query.step()) owners.push_back(query.integer(0));
  return owners;
}

void bury(connection& db, std::int64_t owner_id) {
  db.prepare(
        "INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid) SELECT ?2, 'died', r.pool, r.name, c.key, "
        "i.token, o.pid FROM claim c JOIN claim_item i ON i.claim_id = c.id JOIN resource r ON r.id = i.resource_id "
        "JOIN "
        "owner o ON o.id = c.owner_id WHERE c.owner_id = ?1")
      .bind(owner_id, wall_ms())
      .run();
  db.prepare("DELETE FROM claim WHERE owner_id = ?").bind(owner_id).run();
  db.prepare("DELETE FROM waiter WHERE owner_id = ?").bind(owner_id).run();
  db.prepare("UPDATE owner SET ended_ms = ?2 WHERE id = ?1").bind(owner_id, wall_ms()).run();
}

/// Rule 4.
bool bury_dead(connection& db, std::string_view pool, const death_check& is_dead) {
  bool any = false;
  for (const std::int64_t owner_id : owners_in_pool(db, pool)) {
    if (!is_dead(owner_id)) continue;
    bury(db, owner_id);
    any = true;
  }
  return any;
}

claimed_item grant_one(connection& db, std::int64_t claim_id, const candidate& taken) {
  statement token = db.prepare(
      "UPDATE resource SET token = max(token, (SELECT value << 40 FROM meta WHERE name = 'epoch')) + 1 WHERE id = ? "
      "RETURNING token");
  token.bind(taken.id).step();
  const std::int64_t value = token.integer(0);
  db.prepare("INSERT INTO claim_item(claim_id, resource_id, token) VALUES(?, ?, ?)")
      .bind(claim_id, taken.id, value)
      .run();
  return {taken.name, taken.group, fencing_token{static_cast<std::uint64_t>(value)}};
}

void note_grant(connection& db, const claim_operation& operation, const claimed_item& item) {
  db.prepare(
        "INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid) SELECT ?1, 'claimed', ?2, ?3, ?4, ?5, pid "
        "FROM "
        "owner WHERE id = ?6")
      .bind(wall_ms(), operation.request.pool, item.name, operation.key, static_cast<std::int64_t>(item.token.value),
            operation.owner_id)
      .run();
}

std::vector<claimed_item> grant(connection& db, const claim_operation& operation,
                                const std::vector<candidate>& chosen) {
  db.prepare("INSERT INTO claim(key, owner_id, life, lease_ms, since_ms) VALUES(?, ?, 0, 0, ?)")
      .bind(operation.key, operation.owner_id, wall_ms())
      .run();
  const std::int64_t claim_id = sqlite3_last_insert_rowid(db.get());
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
  require_json_object(db, operation.request.match);
  claim_result result;
  std::vector<candidate> chosen = available(db, operation);
  if (chosen.empty()) {
    result.buried = bury_dead(db, operation.request.pool, is_dead);
    if (result.buried) chosen = available(db, operation);
  }
  if (!chosen.empty()) {
    result.items = grant(db, operation, chosen);
    result.state = grant_state::granted;
  } else if (!could_ever_be_met(db, operation.request)) {
    result.state = grant_state::never;
  }
  return result;
}

bool is_worth_trying(connection& db, const claim_operation& operation, const death_check& is_dead) {
  require_json_object(db, operation.request.match);
  if (!available(db, operation).empty() || !could_ever_be_met(db, operation.request)) return true;
  return std::ranges::any_of(owners_in_pool(db, operation.request.pool), is_dead);
}

bool release_claim(connection& db, const std::string& key) {
  db.prepare(
        "INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid) SELECT ?2, 'released', r.pool, r.name, "
        "c.key, "
        "i.token, o.pid FROM claim c JOIN claim_item i ON i.claim_id = c.id JOIN resource r ON r.id = i.resource_id "
        "JOIN "
        "owner o ON o.id = c.owner_id WHERE c.key = ?1")
      .bind(key, wall_ms())
      .run();
  return db.prepare("DELETE FROM claim WHERE key = ?").bind(key).run() > 0;
}

bool claim_stands(connection& db, const std::string& key) {
  statement query = db.prepare("SELECT 1 FROM claim WHERE key = ?");
  return query.bind(key).step();
}

std::int64_t add_waiter(connection& db, const claim_operation& operation) {
  const claim_request& request = operation.request;
  db.prepare(
        "INSERT INTO waiter(owner_id, pool, count, memory, grp, one_group, attributes, since_ms) "
        "VALUES(?,?,?,?,?,?,?,?)")
      .bind(operation.owner_id, request.pool, std::int64_t{request.count}, static_cast<std::int64_t>(request.memory),
            request.group, std::int64_t{request.one_group}, request.match, monotonic_ms())
      .run();
  return sqlite3_last_insert_rowid(db.get());
}

void remove_waiter(connection& db, std::int64_t ticket) {
  db.prepare("DELETE FROM waiter WHERE ticket = ?").bind(ticket).run();
}

std::vector<holder_process> list_holders(connection& db, std::string_view pool) {
  statement query = db.prepare(
      "SELECT DISTINCT o.pid, o.pid_namespace, o.pidfd_inode FROM owner o JOIN claim c ON c.owner_id = o.id WHERE c.id "
      "IN "
      "(SELECT claim_id FROM claim_item WHERE resource_id IN (SELECT id FROM resource WHERE pool = ?1))");
  query.bind(pool);
  std::vector<holder_process> holders;
  while (query.step()) {
    holders.push_back({static_cast<std::int32_t>(query.integer(0)), static_cast<std::uint64_t>(query.integer(1)),
                       static_cast<std::uint64_t>(query.integer(2))});
  }
  return holders;
}

}  // namespace lockkit::detail
