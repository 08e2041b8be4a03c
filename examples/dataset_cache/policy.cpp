#include "policy.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

namespace dataset_cache {

std::chrono::nanoseconds parse_duration(const std::string& text) {
  static const std::map<std::string, double> seconds = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
  static const CLI::AsNumberWithUnit to_seconds(seconds, CLI::AsNumberWithUnit::CASE_INSENSITIVE);
  constexpr double century = 100.0 * 365 * 86400;
  std::string number = text;
  double value = -1;
  try {
    if (!to_seconds(number).empty() || !CLI::detail::lexical_cast(number, value)) value = -1;
  } catch (const CLI::Error&) {
    value = -1;
  }
  if (!(value >= 0))
    throw CLI::ValidationError(fmt::format("'{}': expected a duration such as 30s, 5min, 2h or 7d", text));
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(std::min(value, century)));
}

lockkit::fetch_policy parse_policy(const std::string& text) {
  constexpr std::string_view older = "older-than=";
  if (text == "if-missing") return lockkit::fetch_policy::if_missing();
  if (text == "always") return lockkit::fetch_policy::always();
  if (text == "never") return lockkit::fetch_policy::never();
  if (text.starts_with(older)) return lockkit::fetch_policy::if_older_than(parse_duration(text.substr(older.size())));
  throw CLI::ValidationError(fmt::format("'{}': expected if-missing, always, never or older-than=DURATION", text));
}

}  // namespace dataset_cache
