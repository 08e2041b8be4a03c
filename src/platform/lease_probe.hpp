#pragma once
/// Whether anybody has a file open for writing, asked of the kernel without disturbing this program.

#include <signal.h>

#include <system_error>

#include "private_api.hpp"

namespace lockkit::platform {

enum class writers {
  none,     ///< no writable description and no writable shared mapping of the file exists on this host
  some,     ///< one exists, or is being made
  unknown,  ///< the kernel does not tell: another user's file, or a filesystem without leases
};

/// For a series of questions by one thread. The kernel's answer is a read lease, granted only where there is no writer
/// (fcntl F_SETLEASE) and given back at once. Whoever opens the file for writing in between makes the kernel signal the
/// lease's owner, by default with SIGIO, which by default ends the process. Therefore
///  1. the signal is SIGURG, which by default is ignored;
///  2. it goes to this thread alone, where it is blocked while this object lives;
///  3. one that came is taken back before the thread's mask is restored, so that not even a handler sees it.
/// Both are set before the lease is asked for; where they can't be, nothing is asked.
class LOCKKIT_PRIVATE_API lease_probe {
 public:
  lease_probe() noexcept;
  ~lease_probe();
  lease_probe(const lease_probe&) = delete;
  lease_probe& operator=(const lease_probe&) = delete;

  /// `fd` must be open for reading only. A code says why the answer is unknown.
  [[nodiscard]] writers ask(int fd, std::error_code& ec) const noexcept;

 private:
  sigset_t before_{};
  bool blocked_ = false;
  bool was_pending_ = false;
};

}  // namespace lockkit::platform
