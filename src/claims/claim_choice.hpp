#pragma once
/// Which resources a request would get, and its grant.

#include <map>

#include "operations.hpp"

namespace lockkit::detail {

/// A resource with units that can be had.
struct candidate {
  std::int64_t id = 0;
  std::string name;
  std::string group;
  std::int64_t units = 0;
};

/// Units that are kept for somebody else, by the resource's id.
using kept_units = std::map<std::int64_t, std::int64_t>;

/// What a request finds.
struct prospect {
  std::vector<candidate> chosen;  ///< one unit of each; those that it could set aside, if it can't have all
  bool is_complete = false;       ///< it can have what it wants
};

/// With regard to those who wait for claims before it, and to what is kept.
[[nodiscard]] prospect look_for(connection& db, const claim_operation& operation, const kept_units& kept = {});

/// Whether all that are not retired, were they up and free, would do.
[[nodiscard]] bool could_ever_be_met(connection& db, const claim_request& request);
/// Whether all that are up, were they free, would do.
[[nodiscard]] bool could_be_met_now(connection& db, const claim_request& request);

/// A resource that would do, whether it is free or not; retired ones are none.
struct pool_member {
  std::int64_t id = 0;
  std::string group;
  bool up = false;
  bool full = false;
};
[[nodiscard]] std::vector<pool_member> members_that_match(connection& db, const claim_request& request);

/// One unit of each.
void keep(kept_units& kept, const std::vector<candidate>& chosen);

/// Grants it what was chosen, nothing too.
std::vector<claimed_item> grant(connection& db, const claim_operation& operation, const std::vector<candidate>& chosen);

/// Who has waited for so long sets aside what there is of its part.
[[nodiscard]] bool is_patient_no_more(std::int64_t since_ms) noexcept;

}  // namespace lockkit::detail
