#include "task_needs.hpp"

#include <algorithm>

namespace lockkit::detail {
namespace {

bool wants_the_same(const claim_request& a, const claim_request& b) {
  return a.pool == b.pool && a.count == b.count && a.memory == b.memory && a.group == b.group &&
         a.one_group == b.one_group && a.match == b.match;
}

}  // namespace

claim_request needs_of(const statement& row, int first_column) {
  const auto integer = [&](int column) { return row.integer(first_column + column); };
  return {.pool = row.text(first_column),
          .count = static_cast<std::uint32_t>(integer(1)),
          .memory = static_cast<std::uint64_t>(integer(2)),
          .group = row.text(first_column + 3),
          .one_group = integer(4) != 0,
          .match = row.text(first_column + 5),
          .life = static_cast<claim_life>(integer(6)),
          .lease = std::chrono::milliseconds(integer(7))};
}

prospect needs_ahead::next(const claim_request& needs, std::int64_t ready_since_ms) {
  if (needs.pool.empty()) return {{}, true};
  const bool patient_no_more = is_patient_no_more(ready_since_ms);
  const bool in_vain = std::ranges::any_of(in_vain_, [&](const auto& each) { return wants_the_same(each, needs); });
  if (in_vain && !patient_no_more) return {};
  prospect found = look_for(db_, {.request = needs}, kept_);
  if (found.is_complete) return found;
  if (!in_vain) in_vain_.push_back(needs);
  if (!patient_no_more || !could_be_met_now(db_, needs)) return {};
  keep(kept_, found.chosen);
  return found;
}

}  // namespace lockkit::detail
