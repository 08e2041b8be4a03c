#pragma once
/// Names under which two files change places: `.<base>.<26 characters>.lkx`.
///
/// Before the exchange it is the staged file's, after it that of whatever stood at the target. If the process dies there,
/// somebody has to know later whether the file is one that nobody misses. So the name says what those two are: 64 bits of
/// the version that was to be replaced, and 64 of the staged file. A file under such a name that is neither is somebody
/// else's update: it is never removed. While the process lives, it has a shared lock on both.

#include <cstdint>
#include <optional>
#include <string_view>

#include "temporary_name.hpp"

namespace lockkit::detail {

struct displacement {
  std::uint64_t replaced = 0;
  std::uint64_t staged = 0;
};

/// From a file's temporary name.
[[nodiscard]] LOCKKIT_PRIVATE_API name_buffer displaced_name(const char* temporary, displacement marks) noexcept;
/// Nothing if it is not such a name.
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<displacement> parse_displaced_name(std::string_view name) noexcept;

}  // namespace lockkit::detail
