#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace status_board {
namespace {

struct character {
  std::size_t length = 0;  ///< 0: no UTF-8
  std::uint32_t code = 0;
};

/// How many bytes a first byte announces, and the least code that needs so many.
constexpr character announced_by(unsigned char first) noexcept {
  if (first < 0x80) return {1, first};
  if (first >= 0xC2 && first < 0xE0) return {2, first & 0x1FU};
  if (first >= 0xE0 && first < 0xF0) return {3, first & 0x0FU};
  if (first >= 0xF0 && first < 0xF5) return {4, first & 0x07U};
  return {};
}

character decode(std::string_view bytes) noexcept {
  constexpr std::array<std::uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  character result = announced_by(static_cast<unsigned char>(bytes.front()));
  if (result.length == 0 || bytes.size() < result.length) return {};
  for (std::size_t i = 1; i < result.length; ++i) {
    const auto next = static_cast<unsigned char>(bytes[i]);
    if ((next & 0xC0U) != 0x80) return {};
    result.code = (result.code << 6U) | (next & 0x3FU);
  }
  const bool surrogate = result.code >= 0xD800 && result.code < 0xE000;
  return result.code < least[result.length] || surrogate || result.code > 0x10FFFF ? character{} : result;
}

/// Control characters, line and paragraph separators, marks of writing direction, and the byte order mark.
constexpr bool is_unseen(std::uint32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF;
}

std::string fault_of_text(std::string_view text, bool with_lines) {
  while (!text.empty()) {
    const character next = decode(text);
    if (next.length == 0) return "it is not UTF-8";
    const bool line = with_lines && (next.code == '\n' || next.code == '\t');
    if (is_unseen(next.code) && !line) return fmt::format("it has the unseen character U+{:04X}", next.code);
    text.remove_prefix(next.length);
  }
  return {};
}

}  // namespace

std::string fault_of_job(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > 200) return fmt::format("it has {} bytes; 200 are allowed", name.size());
  if (name.front() == '.') return "it begins with a dot";
  if (name.find('/') != std::string_view::npos) return "it has a slash";
  return fault_of_text(name, false);
}

std::string fault_of_state(std::string_view state) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  if (state.empty() || state.size() > 32 || !std::ranges::all_of(state, allowed)) {
    return "a state is 1 to 32 of a-z, 0-9, '-' and '_', such as queued, running, done, failed";
  }
  return {};
}

std::string fault_of_message(std::string_view message) {
  if (message.size() > 2000) return fmt::format("it has {} bytes; 2000 are allowed", message.size());
  return fault_of_text(message, true);
}

std::string printable(std::string_view bytes) {
  std::string result;
  while (!bytes.empty()) {
    const character next = decode(bytes);
    const std::size_t length = std::max<std::size_t>(next.length, 1);
    if (next.length == 0 || is_unseen(next.code)) {
      for (const char c : bytes.substr(0, length)) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return result;
}

std::string html(std::string_view bytes) {
  std::string result;
  for (const char c : printable(bytes)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace status_board
