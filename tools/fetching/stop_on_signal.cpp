// Signals are received by sigwait on a thread of their own, not by a handler: requesting a stop runs callbacks and
// takes locks, which a handler must not.

#include "stop_on_signal.hpp"

#include <csignal>

namespace fetching {
namespace {

constexpr int end_of_waiting = SIGUSR1;

/// Those that the parent asked us to ignore (nohup) stay ignored.
bool is_ignored(int signal) noexcept {
  struct sigaction current = {};
  return ::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

sigset_t waited_signals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(signal)) sigaddset(&set, signal);
  }
  sigaddset(&set, end_of_waiting);
  return set;
}

[[noreturn]] void die_of(int signal) noexcept {
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal);
  std::abort();
}

}  // namespace

stop_on_signal::stop_on_signal() {
  const sigset_t set = waited_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is a write error, with a message
  waiter_ = std::thread([this] { wait(); });
}

stop_on_signal::~stop_on_signal() {
  ::pthread_kill(waiter_.native_handle(), end_of_waiting);
  waiter_.join();
}

void stop_on_signal::wait() {
  const sigset_t set = waited_signals();
  for (int signal = 0; ::sigwait(&set, &signal) == 0 && signal != end_of_waiting;) {
    if (!watched_ || received_ != 0) die_of(signal);
    received_ = signal;
    source_.request_stop();
  }
}

}  // namespace fetching
