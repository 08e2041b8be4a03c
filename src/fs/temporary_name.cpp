#include "temporary_name.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t added = 2 + random_length + staged_file_suffix.size();  // two dots
static_assert(staged_file_suffix.size() == staged_tree_suffix.size());
constexpr std::size_t short_base = 64;
constexpr std::uint64_t born_locked_bit = 8;  // the last character holds 3 random bits, this one, and a zero

/// What of `base` goes into the name: all of it, or so much that the name is no longer than `base`. A UTF-8 character
/// is not cut in two, since some filesystems refuse such names.
std::string_view kept(std::string_view base) noexcept {
  if (base.size() <= short_base) return base;
  std::size_t size = std::min(base.size(), longest_name) - added;
  while (size > 0 && (static_cast<unsigned char>(base[size]) & 0xC0U) == 0x80U) --size;
  return base.substr(0, size);
}

}  // namespace

random_text random_base32(name_origin origin, std::error_code& ec) noexcept {
  std::array<std::uint64_t, 2> bits{};
  platform::fill_random(bits.data(), sizeof bits, ec);
  random_text text{};
  for (std::size_t i = 0; i + 1 < random_length; ++i) {
    text[i] = alphabet[bits[0] & 31U];
    bits[0] = (bits[0] >> 5U) | (bits[1] << 59U);
    bits[1] >>= 5U;
  }
  text[random_length - 1] = alphabet[(bits[0] & 7U) | (origin == name_origin::born_locked ? born_locked_bit : 0)];
  return text;
}

name_buffer temporary_name(std::string_view base, name_origin origin, std::error_code& ec,
                           std::string_view suffix) noexcept {
  const random_text random = random_base32(origin, ec);
  const std::string_view start = kept(base);
  name_buffer name{};
  if (!ec) {
    // The precision bounds `start`, and `suffix` is a literal. NOLINTBEGIN(bugprone-suspicious-stringview-data-usage)
    std::snprintf(name.data(), name.size(), ".%.*s.%s%s", static_cast<int>(start.size()), start.data(), random.data(),
                  suffix.data());
    // NOLINTEND(bugprone-suspicious-stringview-data-usage)
  }
  return name;
}

std::optional<name_origin> parse_temporary_name(std::string_view name, std::string_view suffix) noexcept {
  if (name.size() < added || name.front() != '.' || !name.ends_with(suffix)) return {};
  name.remove_suffix(suffix.size());
  const std::string_view random = name.substr(name.size() - random_length);
  if (name[name.size() - random_length - 1] != '.') return {};
  if (random.find_first_not_of(alphabet) != std::string_view::npos) return {};
  const std::size_t last = alphabet.find(random.back());
  if (last >= 2 * born_locked_bit) return {};
  return last >= born_locked_bit ? name_origin::born_locked : name_origin::opened;
}

}  // namespace lockkit::detail
