#include "policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace fetching {
namespace {

template <class Parse>
CLI::Validator readable_by(Parse parse) {
  const auto check = [parse](std::string& text) {
    try {
      static_cast<void>(parse(text));
      return std::string();
    } catch (const CLI::ValidationError& wrong) {
      return std::string(wrong.what());
    }
  };
  return {check, ""};
}

}  // namespace

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
  if (text == "if-stale") return lockkit::fetch_policy::if_stale();
  if (text == "never") return lockkit::fetch_policy::never();
  if (text.starts_with(older)) return lockkit::fetch_policy::if_older_than(parse_duration(text.substr(older.size())));
  throw CLI::ValidationError(
      fmt::format("'{}': expected if-missing, always, never, if-stale or older-than=DURATION", text));
}

std::optional<std::string> parse_sha256(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() != 64 || !std::ranges::all_of(text, is_hex)) return std::nullopt;
  return text;
}

CLI::Validator is_duration() {
  return readable_by(&parse_duration);
}

CLI::Validator is_policy() {
  return readable_by(&parse_policy);
}

CLI::Validator as_sha256() {
  const auto check = [](std::string& text) -> std::string {
    const std::optional<std::string> digest = parse_sha256(text);
    if (!digest) return "expected 64 hexadecimal digits";
    text = *digest;
    return {};
  };
  return {check, ""};
}

}  // namespace fetching
