#include "displaced_name.hpp"

#include <algorithm>
#include <span>

namespace lockkit::detail {
namespace {

constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view displaced_suffix = ".lkx";
constexpr std::size_t half = random_length / 2;

void write_mark(std::span<char> into, std::uint64_t mark) noexcept {
  for (char& c : into) {
    c = characters[mark & 31U];
    mark >>= 5U;
  }
}

std::optional<std::uint64_t> read_mark(std::string_view text) noexcept {
  std::uint64_t mark = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    const std::size_t bits = characters.find(text[i]);
    if (bits == std::string_view::npos || (i + 1 == half && bits > 15)) return {};
    mark = mark << 5U | bits;
  }
  return mark;
}

}  // namespace

name_buffer displaced_name(const char* temporary, displacement marks) noexcept {
  name_buffer name{};
  const std::string_view text = temporary;
  std::copy_n(text.begin(), std::min(text.size(), longest_name), name.begin());
  const std::size_t begin = text.size() - displaced_suffix.size() - random_length;
  write_mark(std::span(name).subspan(begin, half), marks.replaced);
  write_mark(std::span(name).subspan(begin + half, half), marks.staged);
  std::ranges::copy(displaced_suffix, name.begin() + static_cast<std::ptrdiff_t>(begin + random_length));
  return name;
}

std::optional<displacement> parse_displaced_name(std::string_view name) noexcept {
  if (name.size() < 2 + random_length + displaced_suffix.size()) return {};
  if (name.front() != '.' || !name.ends_with(displaced_suffix)) return {};
  name.remove_suffix(displaced_suffix.size());
  const std::string_view marks = name.substr(name.size() - random_length);
  if (name[name.size() - random_length - 1] != '.') return {};
  const auto replaced = read_mark(marks.substr(0, half));
  const auto staged = read_mark(marks.substr(half));
  if (!replaced || !staged) return {};
  return displacement{*replaced, *staged};
}

}  // namespace lockkit::detail
