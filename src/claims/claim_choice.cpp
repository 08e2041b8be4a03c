/// Choosing resources.
///
///  1. Candidates are the pool's resources that are up, have a unit free and match the request, the smallest that fits
///     first, then the least recently used. All or nothing.
///  2. Waiters come before newcomers, in the order of their tickets: what an earlier waiter could take now is reserved
///     for it. What nobody before could use is not: a free unit is never refused for the sake of somebody whom it would
///     not help.
///  3. An earlier waiter who wants several and can't have all of them yet reserves what it could use only after it has
///     waited for a while (patience). Until then smaller requests may pass; then they may not, or it would never have
///     all at once. While so much is drained that it can't have all, it reserves nothing.
///  4. Who wants several of one group sets them aside in the group that has most of them free, of those that are large
///     enough: in all groups at once it would take more than it can use.
#include "claim_choice.hpp"

#include <algorithm>

#include "claim_time.hpp"

namespace lockkit::detail {
namespace {

// One condition for every request: the parts that a request does not use cost a comparison of constants. Types are
// compared as well: to SQLite alone true is 1, a list is its text, and null is what is missing.
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): a part of literals
#define LOCKKIT_MATCHING                                                                            \
  " AND memory >= ?2 AND (?3 = '' OR grp = ?3) AND (?4 = '{}' OR "                                  \
  "NOT EXISTS (SELECT 1 FROM json_each(?4) AS want WHERE NOT EXISTS "                               \
  "(SELECT 1 FROM json_each(resource.attributes) AS have WHERE have.key = want.key AND have.value " \
  "IS want.value AND replace(have.type, 'real', 'integer') = replace(want.type, 'real', 'integer')))) "
constexpr const char* find_free =  // by the index resource_free, however many are taken
    "SELECT id, name, grp, capacity - used FROM resource WHERE pool = ?1 AND state = 0 AND used < "
    "capacity" LOCKKIT_MATCHING "ORDER BY memory, last_used, id LIMIT ?5";
constexpr const char* find_up =
    "SELECT id, name, grp, capacity FROM resource WHERE pool = ?1 AND state = 0 AND capacity > 0" LOCKKIT_MATCHING
    "LIMIT ?5";
constexpr const char* find_known =
    "SELECT id, name, grp, capacity FROM resource WHERE pool = ?1 AND state <> 2 AND capacity > 0" LOCKKIT_MATCHING
    "LIMIT ?5";
constexpr const char* find_members =
    "SELECT id, grp, state = 0, used >= capacity FROM resource WHERE pool = ?1 AND state <> 2 AND capacity > "
    "0" LOCKKIT_MATCHING "LIMIT ?5";
#undef LOCKKIT_MATCHING

enum class look_at { free_ones, up, known };
constexpr std::int64_t no_limit = -1;

using candidates = std::vector<candidate>;

candidates matching(connection& db, const claim_request& request, look_at which, std::int64_t limit = no_limit) {
  statement query = db.prepare(which == look_at::free_ones ? find_free : which == look_at::up ? find_up : find_known);
  query.bind(request.pool, stored_memory(request.memory), request.group, request.match, limit);
  candidates found;
  while (query.step()) found.push_back({query.integer(0), query.text(1), query.text(2), query.integer(3)});
  return found;
}

std::size_t size_of_group(const candidates& found, const std::string& group) {
  return static_cast<std::size_t>(std::ranges::count(found, group, &candidate::group));
}

/// The group with the fewest candidates that still has enough of them; its candidates alone stay.
void keep_one_group(candidates& found, std::size_t count) {
  std::string best;
  std::size_t best_size = 0;
  for (const candidate& each : found) {
    const std::size_t size = size_of_group(found, each.group);
    if (size >= count && (best_size == 0 || size < best_size)) {
      best = each.group;
      best_size = size;
    }
  }
  std::erase_if(found, [&](const candidate& each) { return best_size == 0 || each.group != best; });
}

/// What the request would get of `found`; fewer than it wants, or nothing, if there are not enough.
candidates choose(candidates found, const claim_request& request) {
  if (request.one_group) keep_one_group(found, request.count);
  if (found.size() > request.count) found.resize(request.count);
  return found;
}

/// Rule 4.
candidates choose_part(connection& db, candidates found, const claim_request& request) {
  if (!request.one_group) return choose(std::move(found), request);
  const candidates all = matching(db, request, look_at::up);
  std::erase_if(found, [&](const candidate& each) { return size_of_group(all, each.group) < request.count; });
  const auto best =
      std::ranges::max_element(found, {}, [&](const candidate& each) { return size_of_group(found, each.group); });
  if (best == found.end()) return {};
  std::erase_if(found, [group = best->group](const candidate& each) { return each.group != group; });
  return found;
}

prospect choose_of(connection& db, candidates found, const claim_request& request) {
  candidates chosen = choose(found, request);
  if (chosen.size() == request.count) return {std::move(chosen), true};
  return {choose_part(db, std::move(found), request), false};
}

void leave_out(candidates& found, const kept_units& kept) {
  std::erase_if(found, [&](const candidate& each) {
    const auto units = kept.find(each.id);
    return units != kept.end() && units->second >= each.units;
  });
}

struct waiting {
  claim_request request;
  std::int64_t since_ms;
};

std::vector<waiting> waiters_before(connection& db, const claim_operation& operation) {
  statement query = db.prepare(R"sql(
SELECT count, memory, grp, one_group, attributes, since_ms FROM waiter
WHERE pool = ?1 AND (?2 = 0 OR ticket < ?2) AND (until_ms IS NULL OR until_ms > ?3) ORDER BY ticket)sql");
  query.bind(operation.request.pool, operation.ticket, monotonic_ms());
  std::vector<waiting> found;
  while (query.step()) {
    claim_request request{.pool = operation.request.pool};
    request.count = static_cast<std::uint32_t>(query.integer(0));
    request.memory = static_cast<std::uint64_t>(query.integer(1));
    request.group = query.text(2);
    request.one_group = query.integer(3) != 0;
    request.match = query.text(4);
    found.push_back({std::move(request), query.integer(5)});
  }
  return found;
}

/// Rules 2 and 3.
void reserve_for(connection& db, const std::vector<waiting>& before, kept_units& kept) {
  for (const waiting& earlier : before) {
    candidates found = matching(db, earlier.request, look_at::free_ones);
    leave_out(found, kept);
    const prospect theirs = choose_of(db, std::move(found), earlier.request);
    const bool sets_aside = is_patient_no_more(earlier.since_ms) && could_be_met_now(db, earlier.request);
    if (theirs.is_complete || sets_aside) keep(kept, theirs.chosen);
  }
}

}  // namespace

prospect look_for(connection& db, const claim_operation& operation, const kept_units& kept) {
  const std::vector<waiting> before = waiters_before(db, operation);
  kept_units all_kept = kept;
  reserve_for(db, before, all_kept);
  const bool first_will_do = all_kept.empty() && !operation.request.one_group;
  candidates found =
      matching(db, operation.request, look_at::free_ones, first_will_do ? operation.request.count : no_limit);
  leave_out(found, all_kept);
  return choose_of(db, std::move(found), operation.request);
}

bool could_ever_be_met(connection& db, const claim_request& request) {
  return choose(matching(db, request, look_at::known), request).size() == request.count;
}

bool could_be_met_now(connection& db, const claim_request& request) {
  return choose(matching(db, request, look_at::up), request).size() == request.count;
}

std::vector<pool_member> members_that_match(connection& db, const claim_request& request) {
  statement query = db.prepare(find_members);
  query.bind(request.pool, stored_memory(request.memory), request.group, request.match, no_limit);
  std::vector<pool_member> found;
  while (query.step()) {
    found.push_back({query.integer(0), query.text(1), query.integer(2) != 0, query.integer(3) != 0});
  }
  return found;
}

void keep(kept_units& kept, const std::vector<candidate>& chosen) {
  for (const candidate& each : chosen) ++kept[each.id];
}

bool is_patient_no_more(std::int64_t since_ms) noexcept {
  constexpr std::int64_t patience_ms = 1000;
  return monotonic_ms() - since_ms > patience_ms;
}

}  // namespace lockkit::detail
