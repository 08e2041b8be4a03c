#pragma once
/// One mirror: a destination that holds a content of the cache.

#include <lockkit/mirror_cache.hpp>

#include "destination.hpp"

namespace lockkit::detail {

/// errc::published_not_durable: the mirror stands. Any other code: the destination is as it was.
mirror_result mirror_file(const mirror_source& source, const std::filesystem::path& path, const cache_layout& layout,
                          const mirror_options& options, std::error_code& ec);

}  // namespace lockkit::detail
