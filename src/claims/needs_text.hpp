#pragma once
/// Why a request can't be met now, in a sentence for people.

#include "operations.hpp"

namespace lockkit::detail {

[[nodiscard]] std::string explain_needs(connection& db, const claim_request& request, const death_check& is_dead);

}  // namespace lockkit::detail
