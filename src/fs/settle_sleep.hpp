#pragma once
/// Sleeping until an event, a deadline or a stop; and the pauses after lost events.

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>

#include <lockkit/deadline.hpp>

#include "platform/tree_watch.hpp"

namespace lockkit::detail {

/// Lives for one call of somebody who waits.
class settle_sleep {
 public:
  explicit settle_sleep(std::stop_token stop) {
    if (!stop.stop_possible()) return;
    std::error_code ec;
    signal_.emplace(ec);
    if (ec) {
      signal_.reset();
      slice_ = std::chrono::milliseconds(50);  // no descriptor left: look now and then
    } else {
      on_stop_.emplace(std::move(stop), [this] { signal_->raise(); });
    }
  }

  void wait(int events, deadline until) const noexcept {
    if (slice_) until = earlier(until, deadline::after(*slice_));
    platform::wait_readable(events, signal_ ? signal_->fd() : -1, until);
  }

 private:
  std::optional<platform::wake_signal> signal_;
  std::optional<std::chrono::milliseconds> slice_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;  // last: ended before the signal goes
};

/// Grows from 100 ms to 10 s while events go on being lost; begins again after 20 s without.
class lost_events {
 public:
  [[nodiscard]] std::chrono::nanoseconds next_pause() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const bool is_new = pause_ == std::chrono::nanoseconds::zero() || now - last_ > 2 * longest;
    pause_ = is_new ? shortest : std::min(2 * pause_, longest);
    last_ = now;
    return pause_;
  }

 private:
  static constexpr std::chrono::nanoseconds shortest = std::chrono::milliseconds(100);
  static constexpr std::chrono::nanoseconds longest = std::chrono::seconds(10);
  std::chrono::nanoseconds pause_{0};
  std::chrono::steady_clock::time_point last_;
};

}  // namespace lockkit::detail
