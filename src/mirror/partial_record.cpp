#include "partial_record.hpp"

#include <algorithm>

#include "key_record.hpp"

namespace lockkit::detail {
namespace {

constexpr std::string_view partial_first_line = "lockkit-partial/1\n";

}  // namespace

std::string format_partial_record(const partial_record& record) {
  std::string text(partial_first_line);
  text += "key " + escape_key(record.key) + "\nboot " + record.boot_id;
  text += "\nsynced " + std::to_string(record.synced) + "\n";
  return close_record(std::move(text) + format_validators(storable(record.validators)));
}

std::optional<partial_record> parse_partial_record(std::string_view bytes) {
  if (bytes.size() > largest_record || !bytes.starts_with(partial_first_line) || !take_check(bytes)) {
    return std::nullopt;
  }
  bytes.remove_prefix(partial_first_line.size());
  const auto key_field = take_field(bytes, "key");
  const auto key = key_field ? unescape_key(*key_field) : std::nullopt;
  const auto boot = take_field(bytes, "boot");
  if (!key || !is_usable_key(*key) || !boot) return std::nullopt;
  partial_record record{*key, std::string(*boot)};
  const bool read = take_number(bytes, "synced", record.synced) && take_validators(bytes, record.validators);
  return read && bytes.empty() ? std::optional(std::move(record)) : std::nullopt;
}

std::uint64_t trusted_bytes(const partial_record& record, std::uint64_t size, std::string_view boot_id) noexcept {
  const bool same_kernel = !boot_id.empty() && record.boot_id == boot_id;
  return same_kernel ? size : std::min(size, record.synced);
}

}  // namespace lockkit::detail
