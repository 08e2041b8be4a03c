#pragma once
/// What the cache remembers of a key: one small file, replaced as a whole.
///
///   lockkit-cache/2
///   key https://example.org/a%20b
///   sha256 <64 hexadecimal digits>
///   size 53
///   fetched 1763625600000000000
///   generation 41
///   etag "5f70bf"                            these four only if the fetch function said so
///   modified Thu,%2019%20Nov%202026%2008:00:00%20GMT
///   validator <anything>
///   expires 1763629200000000000
///   check <64 hexadecimal digits>
///
/// Its text: record_fields.hpp. Rules, each with its reason.
///  1. A record with a wrong last line counts as a miss. That costs a fetch, never a wrong content.
///  2. The key itself is in it, and is compared: a record moved to another name does not answer for that key.
///  3. Records of version 1, which know no validators and no expiry, are read as before: a cache outlives an update of
///     its programs. A program that knows only version 1 takes those of version 2 for none, fetches, and writes its own.
/// The parser takes any bytes and holds nothing longer than largest_record.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/private_api.hpp"
#include "record_fields.hpp"

namespace lockkit::detail {

inline constexpr std::size_t largest_key = 1024;
inline constexpr std::size_t largest_record = 3 * largest_key + 9 * largest_validator + 512;  // escaped

struct key_record {
  std::string key;
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point fetched_at{};
  std::uint64_t generation = 0;  ///< fencing token of the key's lock under which the content was fetched
  content_validators validators{};
  std::optional<std::chrono::system_clock::time_point> expires{};
};

/// 1 to 1024 bytes without NUL.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_usable_key(std::string_view key) noexcept;
[[nodiscard]] LOCKKIT_PRIVATE_API std::string format_key_record(const key_record& record);
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<key_record> parse_key_record(std::string_view bytes);

}  // namespace lockkit::detail
