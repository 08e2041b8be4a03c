#pragma once
/// Policies and durations as people write them.

#include <chrono>
#include <string>

#include <lockkit/mirror_cache.hpp>

namespace dataset_cache {

/// "30", "30s", "5min", "2h", "7d"; more than a century counts as a century. Throws CLI::ValidationError.
[[nodiscard]] std::chrono::nanoseconds parse_duration(const std::string& text);

/// "if-missing", "always", "never", "older-than=DURATION". Throws CLI::ValidationError.
[[nodiscard]] lockkit::fetch_policy parse_policy(const std::string& text);

}  // namespace dataset_cache
