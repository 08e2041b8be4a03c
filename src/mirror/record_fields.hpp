#pragma once
/// The text of the cache's records: "name value" lines, closed by a line with the SHA-256 of all before it.
///
///  1. Text, one field per line, in one order: a person can read it, and there is one way to write a record.
///  2. Bytes of a value that are not graphic ASCII, and '%', are written %XX: no value can begin another line.
///  3. A torn, empty, or edited record is no record.

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <lockkit/fetch.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// Of one part of content_validators; three times that when written.
inline constexpr std::size_t largest_validator = 512;

/// Rule 2; also for messages.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string escape_key(std::string_view key);
/// The reverse; none for anything that escape_key would not have written.
[[nodiscard]] std::optional<std::string> unescape_key(std::string_view text);

/// Rule 3: `text` with its last line.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string close_record(std::string text);
/// Takes the last line off, if it is right.
[[nodiscard]] bool take_check(std::string_view& bytes);

/// Takes "name value\n" from the front of `text`; none if the next line is not that field.
[[nodiscard]] std::optional<std::string_view> take_field(std::string_view& text, std::string_view name) noexcept;

template <class Integer>
[[nodiscard]] bool take_number(std::string_view& text, std::string_view name, Integer& value) noexcept {
  const auto field = take_field(text, name);
  if (!field || field->empty()) return false;
  const auto [end, failure] = std::from_chars(field->data(), field->data() + field->size(), value);
  return failure == std::errc() && end == field->data() + field->size();
}

/// The lines of the parts that are not empty.
[[nodiscard]] std::string format_validators(const content_validators& validators);
/// False: one of them is nothing that format_validators would have written.
[[nodiscard]] bool take_validators(std::string_view& text, content_validators& validators);
/// Without the parts that are too long to be kept.
[[nodiscard]] content_validators storable(content_validators validators);

}  // namespace lockkit::detail
