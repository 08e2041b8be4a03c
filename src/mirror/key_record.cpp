#include "key_record.hpp"

#include "digest.hpp"

namespace lockkit::detail {
namespace {

using clock = std::chrono::system_clock;

constexpr std::string_view first_line = "lockkit-cache/2\n";
constexpr std::string_view older_first_line = "lockkit-cache/1\n";

std::int64_t to_nanoseconds(clock::time_point time) noexcept {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

clock::time_point from_nanoseconds(std::int64_t since_1970) noexcept {
  return clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(since_1970)));
}

/// What version 2 adds.
bool take_additions(std::string_view& bytes, key_record& record) {
  if (!take_validators(bytes, record.validators)) return false;
  if (bytes.empty()) return true;
  std::int64_t expires = 0;
  if (!take_number(bytes, "expires", expires)) return false;
  record.expires = from_nanoseconds(expires);
  return true;
}

/// Behind the first line, without the last.
std::optional<key_record> parse_lines(std::string_view bytes, bool older) {
  const auto key_field = take_field(bytes, "key");
  const auto key = key_field ? unescape_key(*key_field) : std::nullopt;
  const auto sha256 = take_field(bytes, "sha256");
  if (!key || !is_usable_key(*key) || !sha256 || !is_digest(*sha256)) return std::nullopt;
  key_record record{*key, std::string(*sha256)};
  std::int64_t fetched = 0;
  if (!take_number(bytes, "size", record.size) || !take_number(bytes, "fetched", fetched) || fetched < 0 ||
      !take_number(bytes, "generation", record.generation) || (!older && !take_additions(bytes, record)) ||
      !bytes.empty()) {
    return std::nullopt;
  }
  record.fetched_at = from_nanoseconds(fetched);
  return record;
}

}  // namespace

bool is_usable_key(std::string_view key) noexcept {
  return !key.empty() && key.size() <= largest_key && key.find('\0') == std::string_view::npos;
}

std::string format_key_record(const key_record& record) {
  std::string text(first_line);
  text += "key " + escape_key(record.key) + "\nsha256 " + record.sha256;
  text += "\nsize " + std::to_string(record.size);
  text += "\nfetched " + std::to_string(to_nanoseconds(record.fetched_at));
  text += "\ngeneration " + std::to_string(record.generation) + "\n";
  text += format_validators(storable(record.validators));
  if (record.expires) text += "expires " + std::to_string(to_nanoseconds(*record.expires)) + "\n";
  return close_record(std::move(text));
}

std::optional<key_record> parse_key_record(std::string_view bytes) {
  const bool older = bytes.starts_with(older_first_line);
  if (bytes.size() > largest_record || !(older || bytes.starts_with(first_line)) || !take_check(bytes)) {
    return std::nullopt;
  }
  bytes.remove_prefix(first_line.size());
  return parse_lines(bytes, older);
}

}  // namespace lockkit::detail
