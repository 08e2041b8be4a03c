#include "message.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "fetching/without_sigpipe.hpp"

namespace lockkit_command {
namespace {

/// Length of the character that begins with this byte, 0 if none does.
std::size_t length_after(unsigned first) noexcept {
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return 2;
  return first < 0xF0 ? 3 : 4;
}

/// Length of the well-formed UTF-8 character that begins there, 0 if there is none (RFC 3629: no surrogates, nothing
/// overlong, nothing beyond U+10FFFF). `point` gets its number.
std::size_t character(std::string_view text, std::uint32_t& point) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::size_t size = length_after(byte(0));
  if (size == 0 || text.size() < size) return 0;
  point = size == 1 ? byte(0) : byte(0) & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    point = (point << 6U) | (byte(i) & 0x3FU);
  }
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  return surrogate || overlong || point > 0x10FFFF ? 0 : size;
}

bool is_control(std::uint32_t point) noexcept {
  return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  std::uint32_t point = 0;
  while (!text.empty()) {
    const std::size_t size = character(text, point);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::uint32_t point = 0;
    const std::size_t size = character(text, point);
    if (size != 0 && !is_control(point)) {
      result += text.substr(0, size);
    } else {
      for (const char c : text.substr(0, std::max<std::size_t>(size, 1))) {
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return result;
}

std::string in_quotes(const std::filesystem::path& path) {
  return fmt::format("'{}'", printable(path.native()));
}

std::string failure_text(const std::exception& failure) {
  constexpr std::string_view prefix = "lockkit: ";
  std::string_view text = failure.what();
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return printable(text);
}

void say_line(std::string_view text) noexcept {
  // One write, so that lines of processes that share a terminal or a log do not mix.
  std::string line = "lockkit: ";
  line.append(text).append("\n");
  const fetching::without_sigpipe unharmed;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lockkit_command
