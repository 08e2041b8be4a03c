#pragma once
/// Messages to people go to a stderr that may be a pipe without a reader: that must not end us, nor what we do.

#include <cerrno>
#include <csignal>
#include <ctime>

namespace fetching {

/// While it lives, the calling thread's writes to a pipe without a reader fail and do nothing else.
class without_sigpipe {
 public:
  without_sigpipe() noexcept {
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  /// Where it is blocked already it would stay, and be taken for somebody's.
  ~without_sigpipe() {
    const int error = errno;
    const timespec now{};
    while (!was_pending_ && ::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  without_sigpipe(const without_sigpipe&) = delete;
  without_sigpipe& operator=(const without_sigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace fetching
