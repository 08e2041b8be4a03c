#pragma once
/// A point in monotonic time by which something must be done.
///
/// Absolute, so that loops need no subtraction; CLOCK_MONOTONIC (std::chrono::steady_clock), so that a stepped wall
/// clock neither shortens nor prolongs a wait; saturating, so that hours::max() means "never" instead of overflowing.

#include <chrono>
#include <compare>
#include <type_traits>

namespace lockkit::inline v0 {

/// Value type, two words, safe to share between threads. Does not survive a reboot, means nothing on another host.
class deadline {
 public:
  using clock = std::chrono::steady_clock;
  using duration = std::chrono::nanoseconds;

  /// Already passed: try once.
  constexpr deadline() noexcept = default;

  [[nodiscard]] static constexpr deadline never() noexcept { return deadline(clock::time_point::max()); }
  [[nodiscard]] static constexpr deadline at(clock::time_point point) noexcept { return deadline(point); }

  /// `wait` from now. Zero or negative: already passed. Too long to represent: never.
  template <class Rep, class Period>
  [[nodiscard]] static deadline after(std::chrono::duration<Rep, Period> wait) noexcept {
    if (!(wait > wait.zero())) return {};  // NaN too
    const auto now = clock::now();
    using seconds = std::chrono::duration<long double>;
    if (seconds(wait) >= seconds(clock::time_point::max() - now)) return never();
    return deadline(now + std::chrono::duration_cast<duration>(wait));
  }

  /// When `point` of any clock comes, if that clock goes on evenly. Beyond what can be represented: never, or passed.
  template <class Clock, class Duration>
  [[nodiscard]] static deadline until(std::chrono::time_point<Clock, Duration> point) noexcept {
    using seconds = std::chrono::duration<long double>;
    if constexpr (std::is_same_v<Clock, clock>) {
      if (seconds(point.time_since_epoch()) >= seconds(clock::duration::max())) return never();
      if (seconds(point.time_since_epoch()) <= seconds(clock::duration::min())) return {};
      return at(std::chrono::time_point_cast<clock::duration>(point));
    } else {
      return after(seconds(point.time_since_epoch()) - seconds(Clock::now().time_since_epoch()));
    }
  }

  /// Calls `attempt(deadline)` until it says true or `point` has come by its own clock, which may go unevenly: then what
  /// was left when the call began has passed too early, and it is called again.
  template <class Clock, class Duration, class Attempt>
  [[nodiscard]] static bool repeat_until(std::chrono::time_point<Clock, Duration> point, const Attempt& attempt) {
    for (;;) {
      if (attempt(until(point))) return true;
      if (until(point).expired()) return false;
    }
  }

  friend constexpr auto operator<=>(const deadline&, const deadline&) noexcept = default;

  [[nodiscard]] constexpr bool is_never() const noexcept { return point_ == clock::time_point::max(); }
  [[nodiscard]] bool expired() const noexcept { return !is_never() && clock::now() >= point_; }
  [[nodiscard]] constexpr clock::time_point point() const noexcept { return point_; }

  /// Zero when passed; duration::max() when never.
  [[nodiscard]] duration remaining() const noexcept {
    if (is_never()) return duration::max();
    const auto now = clock::now();
    return now >= point_ ? duration::zero() : std::chrono::duration_cast<duration>(point_ - now);
  }

  /// The earlier of both.
  [[nodiscard]] friend constexpr deadline earlier(deadline a, deadline b) noexcept {
    return a.point_ < b.point_ ? a : b;
  }

 private:
  constexpr explicit deadline(clock::time_point point) noexcept : point_(point) {}
  clock::time_point point_ = clock::time_point::min();
};

}  // namespace lockkit::inline v0
