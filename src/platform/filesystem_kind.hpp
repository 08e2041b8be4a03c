#pragma once
/// What a filesystem can be trusted with.

#include <system_error>

#include "private_api.hpp"

namespace lockkit::platform {

enum class filesystem_kind {
  local,   ///< the locks of this kernel decide
  remote,  ///< a server decides, or the kind is unknown
};

/// By statfs magic: a list of known local filesystems; everything else counts as remote.
[[nodiscard]] LOCKKIT_PRIVATE_API filesystem_kind filesystem_of(int fd, std::error_code& ec) noexcept;

/// Btrfs of older kernels skips fsync of a file without a name; then only a later one, with a name, counts.
[[nodiscard]] LOCKKIT_PRIVATE_API bool may_skip_sync_of_unnamed(int fd, std::error_code& ec) noexcept;

}  // namespace lockkit::platform
