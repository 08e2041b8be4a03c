#include "hold_record.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockkit_command {
namespace {

constexpr std::string_view mark = "for:";

}  // namespace

std::string hold_label(const held_for& whom, const std::string& label) {
  return fmt::format("{}{} {}{}{}", mark, whom.pid, whom.command, label.empty() ? "" : ", ", label);
}

std::optional<held_for> parse_hold(const lockkit::owner& holder) {
  std::string_view text = holder.label;
  if (holder.command != hold_command || !text.starts_with(mark)) return std::nullopt;
  text.remove_prefix(mark.size());
  held_for whom;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whom.pid);
  if (error != std::errc() || whom.pid <= 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  whom.command = text.substr(0, text.find(", "));
  return whom;
}

}  // namespace lockkit_command
