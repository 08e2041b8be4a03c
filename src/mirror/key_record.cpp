#include "key_record.hpp"

#include <charconv>

#include "digest.hpp"

namespace lockkit::detail {
namespace {

using clock = std::chrono::system_clock;

constexpr std::string_view first_line = "lockkit-cache/1\n";
constexpr std::string_view hexadecimal_digits = "0123456789ABCDEF";

bool is_plain(char c) noexcept {
  return c > ' ' && c < '\x7f' && c != '%';
}

int digit_value(char c) noexcept {
  const std::size_t at = hexadecimal_digits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

/// The reverse of escape_key; none for anything that escape_key would not have written.
std::optional<std::string> unescape_key(std::string_view text) {
  std::string key;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i])) {
      key += text[i];
      continue;
    }
    if (text[i] != '%' || i + 2 >= text.size()) return std::nullopt;
    const int high = digit_value(text[i + 1]);
    const int low = digit_value(text[i + 2]);
    if (high < 0 || low < 0 || is_plain(static_cast<char>(high * 16 + low))) return std::nullopt;
    key += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return key;
}

/// Takes "name value\n" from the front of `text`; none if the next line is not that field.
std::optional<std::string_view> take_field(std::string_view& text, std::string_view name) noexcept {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') return std::nullopt;
  text.remove_prefix(end + 1);
  return line.substr(name.size() + 1);
}

template <class Integer>
bool take_number(std::string_view& text, std::string_view name, Integer& value) noexcept {
  const auto field = take_field(text, name);
  if (!field || field->empty()) return false;
  const auto [end, failure] = std::from_chars(field->data(), field->data() + field->size(), value);
  return failure == std::errc() && end == field->data() + field->size();
}

/// Rule 3: takes the last line off, if it is right.
bool take_check(std::string_view& bytes) {
  constexpr std::size_t length = sizeof("check \n") - 1 + digest_digits;
  if (bytes.size() < length) return false;
  std::string_view tail = bytes.substr(bytes.size() - length);
  bytes.remove_suffix(length);
  return take_field(tail, "check") == sha256_of(bytes) && tail.empty();
}

clock::time_point from_nanoseconds(std::int64_t since_1970) noexcept {
  return clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(since_1970)));
}

}  // namespace

bool is_usable_key(std::string_view key) noexcept {
  return !key.empty() && key.size() <= largest_key && key.find('\0') == std::string_view::npos;
}

std::string escape_key(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (is_plain(c)) {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += {'%', hexadecimal_digits[byte >> 4U], hexadecimal_digits[byte & 15U]};
    }
  }
  return text;
}

std::string format_key_record(const key_record& record) {
  const auto since_1970 = std::chrono::nanoseconds(record.fetched_at.time_since_epoch()).count();
  std::string text(first_line);
  text += "key " + escape_key(record.key) + "\nsha256 " + record.sha256;
  text += "\nsize " + std::to_string(record.size) + "\nfetched " + std::to_string(since_1970);
  text += "\ngeneration " + std::to_string(record.generation) + "\n";
  return text + "check " + sha256_of(text) + "\n";
}

std::optional<key_record> parse_key_record(std::string_view bytes) {
  if (bytes.size() > largest_record || !bytes.starts_with(first_line) || !take_check(bytes)) return std::nullopt;
  bytes.remove_prefix(first_line.size());
  const auto key_field = take_field(bytes, "key");
  const auto key = key_field ? unescape_key(*key_field) : std::nullopt;
  const auto sha256 = take_field(bytes, "sha256");
  if (!key || !is_usable_key(*key) || !sha256 || !is_digest(*sha256)) return std::nullopt;
  key_record record{*key, std::string(*sha256)};
  std::int64_t since_1970 = 0;
  if (!take_number(bytes, "size", record.size) || !take_number(bytes, "fetched", since_1970) || since_1970 < 0 ||
      !take_number(bytes, "generation", record.generation) || !bytes.empty()) {
    return std::nullopt;
  }
  record.fetched_at = from_nanoseconds(since_1970);
  return record;
}

}  // namespace lockkit::detail
