#include "settle_names.hpp"

#include <algorithm>
#include <string_view>

#include "lock_names.hpp"
#include "platform/listing.hpp"
#include "temporary_name.hpp"

namespace lockkit::detail {
namespace {

constexpr std::string_view staged_directory_suffix = ".lkd";
constexpr std::size_t rsync_suffix = 6;

constexpr bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}
constexpr bool is_lower_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool belongs_to_a_lock(const std::string& name) noexcept {
  if (name.front() != '.') return false;
  return is_guard_name(name) || (name.ends_with(".tmp") && name.find(".guard.") != std::string::npos);
}

bool is_rsync_name(const std::string& name) noexcept {
  if (name.front() != '.' || name.size() < rsync_suffix + 3) return false;
  const std::string_view suffix = std::string_view(name).substr(name.size() - rsync_suffix);
  if (name[name.size() - rsync_suffix - 1] != '.') return false;
  return std::ranges::all_of(suffix, [](char c) { return is_upper(c) || is_lower_or_digit(c); }) &&
         std::ranges::any_of(suffix, is_upper) && std::ranges::any_of(suffix, is_lower_or_digit);
}

bool is_in_progress(const std::string& name, const settle_options& options) noexcept {
  if (parse_temporary_name(name) || (name.front() == '.' && name.ends_with(staged_directory_suffix))) return true;
  if (options.rsync_names && is_rsync_name(name)) return true;
  return std::ranges::any_of(options.in_progress, [&](const std::string& pattern) {
    return platform::matches(pattern.c_str(), name.c_str());
  });
}

}  // namespace lockkit::detail
