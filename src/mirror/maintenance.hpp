#pragma once
/// Listing, forgetting, and checking keys.

#include <string_view>
#include <vector>

#include <lockkit/mirror_cache.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

[[nodiscard]] std::vector<cache_record> list_keys(const cache_layout& layout, std::error_code& ec);
bool remove_key(const cache_layout& layout, std::string_view name, std::string_view key, deadline until,
                std::error_code& ec);
[[nodiscard]] std::vector<cache_damage> verify_cache(const cache_layout& layout, const verify_options& options,
                                                     std::error_code& ec);

}  // namespace lockkit::detail
