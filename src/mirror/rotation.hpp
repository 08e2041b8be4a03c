#pragma once
/// A content with as many names as its filesystem allows gets a fresh inode.

#include <system_error>

#include "cache_layout.hpp"
#include "destination.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// Read-only descriptor of the fresh inode, which has the content's name now. None: not possible or not allowed (another
/// cache's content, leases, somebody is at the gate): the caller copies. Waits for nobody.
[[nodiscard]] platform::unique_fd rotate_content(const cache_layout& layout, const mirror_source& source);

}  // namespace lockkit::detail
