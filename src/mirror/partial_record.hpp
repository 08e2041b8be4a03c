#pragma once
/// What is known of a partial content: under which validators it can be gone on with, and how much of it can be trusted.
///
///   lockkit-partial/1
///   key https://example.org/a%20b
///   boot 0123456789abcdef0123456789abcdef
///   synced 67108864
///   etag "5f70bf"                            as in key_record.hpp
///   check <64 hexadecimal digits>
///
/// A kernel that goes on knows every byte that was written, whoever was killed. After a power cut a file can be longer
/// than what has reached the disk, and hold zeros there: then only what was synced before the record said so counts.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "record_fields.hpp"

namespace lockkit::detail {

struct partial_record {
  std::string key;
  std::string boot_id;       ///< of the kernel that ran when this was written
  std::uint64_t synced = 0;  ///< so many bytes are on the disk
  content_validators validators{};
};

[[nodiscard]] LOCKKIT_PRIVATE_API std::string format_partial_record(const partial_record& record);
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<partial_record> parse_partial_record(std::string_view bytes);

/// How many of the file's `size` bytes are what was written.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t trusted_bytes(const partial_record& record, std::uint64_t size,
                                                              std::string_view boot_id) noexcept;

}  // namespace lockkit::detail
