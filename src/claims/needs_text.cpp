#include "needs_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "claim_choice.hpp"

namespace lockkit::detail {
namespace {

using members = std::vector<pool_member>;

/// As people write it: whole decimal gigabytes, else binary ones.
std::string memory_text(std::uint64_t bytes) {
  constexpr std::uint64_t decimal = 1'000'000'000;
  constexpr std::uint64_t binary = 1ULL << 30;
  if (bytes < 1'000'000) return fmt::format("{} bytes", bytes);
  if (bytes % decimal == 0) return fmt::format("{} GB", bytes / decimal);
  if (bytes % binary == 0) return fmt::format("{} GiB", bytes / binary);
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(binary));
}

std::string text_of(const claim_request& request) {
  std::string text;
  if (request.memory > 0) text += fmt::format(" with {}", memory_text(request.memory));
  if (!request.group.empty()) text += fmt::format(" in group \"{}\"", request.group);
  if (request.match != "{}") text += fmt::format(" that matches {}", request.match);
  return text;
}

std::uint64_t largest_memory(connection& db, const std::string& pool) {
  statement query = db.prepare("SELECT max(memory) FROM resource WHERE pool = ? AND state <> 2 AND capacity > 0");
  return query.bind(pool).step() ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

std::string explain_absence(connection& db, const claim_request& request) {
  if (members_that_match(db, {.pool = request.pool}).empty()) {
    return fmt::format("there is nothing in pool \"{}\"", request.pool);
  }
  const std::uint64_t largest = largest_memory(db, request.pool);
  if (largest < request.memory) {
    return fmt::format("nothing in pool \"{}\" has {}: the largest has {}", request.pool, memory_text(request.memory),
                       memory_text(largest));
  }
  return fmt::format("there is nothing{} in pool \"{}\"", text_of(request), request.pool);
}

/// The group with most members, and how many.
std::pair<std::string, std::size_t> largest_group(const members& all) {
  std::pair<std::string, std::size_t> best;
  for (const pool_member& each : all) {
    const auto size = static_cast<std::size_t>(std::ranges::count(all, each.group, &pool_member::group));
    if (size > best.second) best = {each.group, size};
  }
  return best;
}

/// As a JSON array: of those that would do, were they not claimed.
std::string ids_of_full(const members& all) {
  std::string ids;
  for (const pool_member& each : all) {
    if (each.up && each.full) ids += fmt::format("{}{}", ids.empty() ? "" : ",", each.id);
  }
  return fmt::format("[{}]", ids);
}

/// Who has other things of the pool is in nobody's way.
std::string holders(connection& db, const members& all, const death_check& is_dead) {
  statement query = db.prepare(R"sql(  -- tasks by the index task_claim
SELECT o.pid, coalesce(t.id, 0), o.id, c.life FROM claim c JOIN owner o ON o.id = c.owner_id
  JOIN claim_item i ON i.claim_id = c.id LEFT JOIN task t ON t.claim_key = c.key AND t.state IN (1, 2, 3, 7)
WHERE i.resource_id IN (SELECT value FROM json_each(?)) GROUP BY c.id ORDER BY c.id)sql");
  query.bind(ids_of_full(all));
  std::string text;
  for (int count = 0; query.step(); ++count) {
    if (count == 4) return text + ", ...";
    text += count == 0 ? "by " : ", ";
    text += query.integer(1) == 0 ? fmt::format("pid {}", query.integer(0))
                                  : fmt::format("task {} of pid {}", query.integer(1), query.integer(0));
    if (query.integer(3) <= 1 && is_dead(query.integer(2))) text += ", which is gone";
  }
  return text;
}

std::string are(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "is" : "are");
}

std::string explain_shortage(connection& db, const claim_request& request, const members& all,
                             const death_check& is_dead) {
  const auto full =
      static_cast<std::size_t>(std::ranges::count_if(all, [](auto& each) { return each.up && each.full; }));
  const auto drained = static_cast<std::size_t>(std::ranges::count(all, false, &pool_member::up));
  const std::size_t kept_or_found = look_for(db, {.request = request}).chosen.size();
  const std::size_t missing = request.count - std::min<std::size_t>(kept_or_found, request.count - 1);
  std::string text =
      fmt::format("{} more of {}pool \"{}\"{}: {} match{}", missing, request.one_group ? "one group of " : "",
                  request.pool, text_of(request), all.size(), all.size() == 1 ? "es" : "");
  if (full > 0) text += fmt::format(", {} claimed ({})", are(full), holders(db, all, is_dead));
  if (drained > 0) text += fmt::format(", {} drained", are(drained));
  const std::size_t free = all.size() - full - drained;
  if (free > kept_or_found) text += fmt::format(", {} kept for others who wait", are(free - kept_or_found));
  return text;
}

}  // namespace

std::string explain_needs(connection& db, const claim_request& request, const death_check& is_dead) {
  const members all = members_that_match(db, request);
  if (all.empty()) return explain_absence(db, request);
  if (all.size() < request.count) {
    return fmt::format("{} of pool \"{}\"{} at once: {} match{}", request.count, request.pool, text_of(request),
                       all.size(), all.size() == 1 ? "es" : "");
  }
  if (request.one_group && largest_group(all).second < request.count) {
    const auto [group, size] = largest_group(all);
    return fmt::format(R"({} of one group of pool "{}"{}: the largest, "{}", has {})", request.count, request.pool,
                       text_of(request), group, size);
  }
  return explain_shortage(db, request, all, is_dead);
}

}  // namespace lockkit::detail
