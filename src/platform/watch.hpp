#pragma once
/// Waiting for a name to change: one inotify watch on one path, for the length of one wait.

#include <system_error>

#include <lockkit/deadline.hpp>

#include "unique_fd.hpp"

namespace lockkit::platform {

/// Sees the file at `path` (not what a link leads to) being unlinked, renamed, replaced, or closed by a writer.
class LOCKKIT_PRIVATE_API path_watch {
 public:
  /// On error, EMFILE or ENOENT among them, the caller naps instead.
  path_watch(const char* path, std::error_code& ec) noexcept;
  /// Sleeps until an event or `until`; events are swallowed. May return early.
  void wait(deadline until) noexcept;

 private:
  unique_fd fd_;
};

}  // namespace lockkit::platform
