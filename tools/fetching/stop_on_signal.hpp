#pragma once
/// Ctrl-C, SIGTERM and SIGHUP become a stop token. The library installs no handlers: that is the program's to decide.

#include <atomic>
#include <stop_token>
#include <thread>

namespace fetching {

/// Made first in main: threads inherit the blocked signals from it, so that only its own thread receives them. While
/// work that watches the token runs (see watched), the first signal requests a stop. Otherwise, and the second time,
/// it ends the process at once, which is safe: the library leaves nothing half done at any point.
class stop_on_signal {
 public:
  stop_on_signal();
  ~stop_on_signal();
  stop_on_signal(const stop_on_signal&) = delete;
  stop_on_signal& operator=(const stop_on_signal&) = delete;

  [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }
  /// From now on somebody watches the token.
  void watched() noexcept { watched_ = true; }
  /// Which one came; 0: none.
  [[nodiscard]] int signal() const noexcept { return received_; }

 private:
  void wait();

  std::stop_source source_;
  std::atomic<int> received_ = 0;
  std::atomic<bool> watched_ = false;
  std::thread waiter_;
};

}  // namespace fetching
