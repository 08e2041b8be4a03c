#include "record_fields.hpp"

#include "digest.hpp"

namespace lockkit::detail {
namespace {

constexpr std::string_view hexadecimal_digits = "0123456789ABCDEF";

bool is_plain(char c) noexcept {
  return c > ' ' && c < '\x7f' && c != '%';
}

int digit_value(char c) noexcept {
  const std::size_t at = hexadecimal_digits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::string validator_line(std::string_view name, const std::string& value) {
  return value.empty() ? std::string() : std::string(name) + ' ' + escape_key(value) + '\n';
}

/// An absent line is an empty value.
bool take_validator(std::string_view& text, std::string_view name, std::string& value) {
  const auto field = take_field(text, name);
  if (!field) return true;
  auto read = unescape_key(*field);
  if (!read || read->empty() || read->size() > largest_validator) return false;
  value = std::move(*read);
  return true;
}

}  // namespace

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

std::string close_record(std::string text) {
  const std::string check = sha256_of(text);
  return std::move(text) + "check " + check + "\n";
}

bool take_check(std::string_view& bytes) {
  constexpr std::size_t length = sizeof("check \n") - 1 + digest_digits;
  if (bytes.size() < length) return false;
  std::string_view tail = bytes.substr(bytes.size() - length);
  bytes.remove_suffix(length);
  return take_field(tail, "check") == sha256_of(bytes) && tail.empty();
}

std::optional<std::string_view> take_field(std::string_view& text, std::string_view name) noexcept {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') return std::nullopt;
  text.remove_prefix(end + 1);
  return line.substr(name.size() + 1);
}

std::string format_validators(const content_validators& validators) {
  return validator_line("etag", validators.etag) + validator_line("modified", validators.last_modified) +
         validator_line("validator", validators.other);
}

bool take_validators(std::string_view& text, content_validators& validators) {
  return take_validator(text, "etag", validators.etag) && take_validator(text, "modified", validators.last_modified) &&
         take_validator(text, "validator", validators.other);
}

content_validators storable(content_validators validators) {
  for (std::string* part : {&validators.etag, &validators.last_modified, &validators.other}) {
    if (part->size() > largest_validator) part->clear();
  }
  return validators;
}

}  // namespace lockkit::detail
