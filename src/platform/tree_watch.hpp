#pragma once
/// Waiting for changes in many directories: one inotify instance, one watch for each directory.

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>

#include "unique_fd.hpp"

namespace lockkit::platform {

/// A descriptor that a thread sleeps on and any other, or a stop callback, makes readable for good.
class LOCKKIT_PRIVATE_API wake_signal {
 public:
  explicit wake_signal(std::error_code& ec) noexcept;
  void raise() const noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  unique_fd fd_;
};

/// Something made, written, renamed, removed or given other attributes.
struct tree_event {
  int watch = -1;            ///< which directory; -1: events were lost (queue overflow)
  std::uint32_t cookie = 0;  ///< the same for both halves of a rename
  bool moved_from = false;   ///< a name left
  bool moved_to = false;     ///< a name came
  bool itself = false;       ///< the watched directory was removed or renamed
  bool ended = false;        ///< the watch is gone; its number means nothing any more
  std::string name{};        ///< in the directory; empty: the directory itself

  [[nodiscard]] bool overflow() const noexcept { return watch < 0; }
};

class LOCKKIT_PRIVATE_API tree_watch {
 public:
  explicit tree_watch(std::error_code& ec) noexcept;

  /// Watches the open directory, wherever it lies and however long its path is (through /proc/self/fd). The same number
  /// for the same directory each time. ENOSPC: the user's limit of watches.
  [[nodiscard]] int add(int directory, std::error_code& ec) noexcept;
  void remove(int watch) noexcept;

  /// All events that had come when it was called, appended.
  void read(std::vector<tree_event>& into, std::error_code& ec);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  unique_fd fd_;
};

/// Sleeps until one of both can be read (negative: not asked) or `until`. May return early.
LOCKKIT_PRIVATE_API void wait_readable(int first, int second, deadline until) noexcept;

}  // namespace lockkit::platform
