#pragma once
/// Waiting for a file to change: one inotify watch on one path, for the length of one wait.

#include <ctime>
#include <span>
#include <system_error>

#include <lockkit/deadline.hpp>

#include "private_api.hpp"
#include "unique_fd.hpp"

namespace lockkit::platform {

enum class watched {
  name,     ///< unlinked, renamed, replaced, or closed by a writer
  content,  ///< written to
};

/// What is left until then, an hour at the most, as ppoll wants it.
[[nodiscard]] timespec time_for_poll(deadline until) noexcept;

/// Whether the descriptor can be read, is at its end or in error. EBADF: it is not open.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_readable(int fd, std::error_code& ec) noexcept;
/// EBADF: not open for reading. EINVAL: a file or a directory, which count as readable at any time.
LOCKKIT_PRIVATE_API void check_waitable(int fd, std::error_code& ec) noexcept;
/// Sleeps until it can be read or `until`. May return early.
LOCKKIT_PRIVATE_API void wait_readable(int fd, deadline until) noexcept;

/// Sees what happens to the file at `path` (not to what a link leads to).
class LOCKKIT_PRIVATE_API path_watch {
 public:
  /// On error, EMFILE or ENOENT among them, the caller naps instead.
  path_watch(const char* path, std::error_code& ec, watched what = watched::name) noexcept;
  /// Sleeps until an event or `until`; events are swallowed. May return early. Whether there was one.
  bool wait(deadline until) noexcept;
  /// The same, and until one of `also` can be read (a pidfd can when its process has ended). At most 63.
  bool wait(deadline until, std::span<const int> also) noexcept;
  /// Swallows the events that have come.
  void drain() noexcept;

 private:
  unique_fd fd_;
};

}  // namespace lockkit::platform
