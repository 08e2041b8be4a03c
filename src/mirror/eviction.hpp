#pragma once
/// Giving up keys and contents until limits are kept.

#include <system_error>

#include <lockkit/eviction.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

[[nodiscard]] eviction_result evict_from(const cache_layout& layout, const eviction_limits& limits,
                                         std::error_code& ec);

}  // namespace lockkit::detail
