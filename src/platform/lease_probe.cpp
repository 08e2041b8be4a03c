#include "lease_probe.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

constexpr int harmless = SIGURG;

sigset_t only_harmless() noexcept {
  sigset_t set{};
  ::sigemptyset(&set);
  ::sigaddset(&set, harmless);
  return set;
}

bool is_pending() noexcept {
  sigset_t set{};
  return ::sigpending(&set) == 0 && ::sigismember(&set, harmless) == 1;
}

/// Takes back what a broken lease of ours has sent. Another's is sent on.
void take_back() noexcept {
  const sigset_t set = only_harmless();
  const timespec now = {0, 0};
  siginfo_t info{};
  if (::sigtimedwait(&set, &info, &now) != harmless || info.si_code == POLL_MSG) return;
  (void)::pthread_kill(::pthread_self(), harmless);
}

void route_signal(int fd, std::error_code& ec) noexcept {
  const f_owner_ex this_thread = {F_OWNER_TID, ::gettid()};
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_SETSIG, harmless); });
  if (!ec) invoke("fcntl", ec, [&] { return ::fcntl(fd, F_SETOWN_EX, &this_thread); });
}

}  // namespace

lease_probe::lease_probe() noexcept {
  const sigset_t set = only_harmless();
  blocked_ = ::pthread_sigmask(SIG_BLOCK, &set, &before_) == 0;
  was_pending_ = is_pending();
}

lease_probe::~lease_probe() {
  if (!blocked_) return;
  if (!was_pending_) take_back();
  (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

writers lease_probe::ask(int fd, std::error_code& ec) const noexcept {
  ec.assign(blocked_ ? 0 : EINVAL, std::system_category());
  if (!ec) route_signal(fd, ec);
  if (!ec) invoke("fcntl", ec, [&] { return ::fcntl(fd, F_SETLEASE, F_RDLCK); });
  if (ec == std::errc::resource_unavailable_try_again) {
    ec.clear();
    return writers::some;
  }
  if (ec) return writers::unknown;
  fault::point("lease_probe.held");
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_SETLEASE, F_UNLCK); });  // closing gives it back, too
  return ec ? writers::unknown : writers::none;
}

}  // namespace lockkit::platform
