#pragma once
/// What the cache remembers of a key: one small file, replaced as a whole.
///
///   lockkit-cache/1
///   key https://example.org/a%20b
///   sha256 <64 hexadecimal digits>
///   size 53
///   fetched 1763625600000000000
///   generation 41
///   check <64 hexadecimal digits>
///
/// Rules, each with its reason.
///  1. Text, one field per line, always in this order: a person can read it, and there is one way to write a record.
///  2. Key bytes that are not graphic ASCII, and '%', are written %XX: no key can begin another line.
///  3. The last line is the SHA-256 of all lines before it: a torn, empty, or edited record is no record, and counts as
///     a miss. That costs a fetch, never a wrong content.
///  4. The key itself is in it, and is compared: a record moved to another name does not answer for that key.
/// The parser takes any bytes and holds nothing longer than largest_record.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/private_api.hpp"

namespace lockkit::detail {

inline constexpr std::size_t largest_key = 1024;
inline constexpr std::size_t largest_record = 3 * largest_key + 512;

struct key_record {
  std::string key;
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point fetched_at{};
  std::uint64_t generation = 0;  ///< fencing token of the key's lock under which the content was fetched
};

/// 1 to 1024 bytes without NUL.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_usable_key(std::string_view key) noexcept;
/// Rule 2; also for messages.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string escape_key(std::string_view key);
[[nodiscard]] LOCKKIT_PRIVATE_API std::string format_key_record(const key_record& record);
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<key_record> parse_key_record(std::string_view bytes);

}  // namespace lockkit::detail
