#pragma once
/// Policies, durations and digests as people write them, and checks of them for command lines.

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>

#include <lockkit/mirror_cache.hpp>

namespace fetching {

/// "30", "30s", "5min", "2h", "7d"; more than a century counts as a century. Throws CLI::ValidationError.
[[nodiscard]] std::chrono::nanoseconds parse_duration(const std::string& text);

/// "if-missing", "always", "never", "if-stale", "older-than=DURATION". Throws CLI::ValidationError.
[[nodiscard]] lockkit::fetch_policy parse_policy(const std::string& text);

/// 64 hexadecimal digits, made lower case; nothing if `text` is anything else.
[[nodiscard]] std::optional<std::string> parse_sha256(std::string text);

[[nodiscard]] CLI::Validator is_duration();
[[nodiscard]] CLI::Validator is_policy();
/// Makes it lower case, too: for CLI::Option::transform.
[[nodiscard]] CLI::Validator as_sha256();

}  // namespace fetching
