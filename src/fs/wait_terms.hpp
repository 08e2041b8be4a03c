#pragma once
/// One call's wait: until when, what ends it early, what to say when it begins and when a holder has been in the way for
/// long. Shared by all stages of the call: its object's gate, the kernel's lock, a script's file.
///
/// Rules, each with its reason.
///  1. What may end the wait is checked before anything else, once: a descriptor that can never become readable would
///     make the call one that can't be cancelled.
///  2. Once over, always over: a descriptor that was readable may have been read by somebody else since.
///  3. A caller's function is called where no kernel lock is held: it may block, and it may throw.
///  4. Holders are told apart by numbers that the stages choose, and their time is counted from the first look on.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <system_error>

#include <lockkit/cancellation.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/lock_options.hpp>

#include "platform/watch.hpp"

namespace lockkit::detail {

class LOCKKIT_PRIVATE_API wait_terms {
 public:
  using notice_function = std::function<void(std::chrono::nanoseconds in_the_way)>;

  explicit wait_terms(deadline until, cancellation cancel = {}) noexcept : until_(until), cancel_(std::move(cancel)) {}

  /// Whom to tell: `notice` once, before the first sleep, and once for each holder that stays for longer than `after`.
  void tell(notice_function begins, std::chrono::nanoseconds after, notice_function stays) {
    begins_ = std::move(begins);
    after_ = after;
    stays_ = std::move(stays);
  }

  /// Rule 1.
  void check(std::error_code& ec) const noexcept;
  [[nodiscard]] bool over() noexcept;
  /// Why it is over, if that is an error.
  [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }
  [[nodiscard]] deadline until() const noexcept { return until_; }
  [[nodiscard]] const std::stop_token& stop() const noexcept { return cancel_.stop(); }

  /// Says that a wait begins, the first time.
  void begin();
  [[nodiscard]] bool has_begun() const noexcept { return began_ != std::chrono::steady_clock::time_point(); }

  /// Who is in the way now, by a number that the next one has not.
  void see(std::uint64_t holder) noexcept;
  [[nodiscard]] bool counts_time() const noexcept { return stays_ != nullptr; }
  /// Whether that one has been there for too long, and nobody was told.
  [[nodiscard]] bool must_warn() const noexcept;
  /// Tells. Rule 3.
  void warn();

  /// Until when to sleep now: a slice of the time waited, 5 ms to `longest`.
  [[nodiscard]] deadline slice(std::chrono::nanoseconds longest = std::chrono::milliseconds(50)) const noexcept;
  /// Sleeps where nobody can wake us: until `until`, or until the descriptor is readable.
  void nap(deadline until) const noexcept;
  /// Sleeps until the watched file changes, the descriptor is readable, or for a slice.
  void sleep_at(platform::path_watch& watch) const noexcept;

 private:
  [[nodiscard]] bool is_cancelled() noexcept;

  deadline until_;
  cancellation cancel_;
  bool cancelled_ = false;
  std::error_code failure_;
  std::chrono::steady_clock::time_point began_{};
  notice_function begins_;
  notice_function stays_;
  std::chrono::nanoseconds after_{};
  std::uint64_t holder_ = 0;
  std::chrono::steady_clock::time_point seen_{};
  bool warned_ = true;  // of nobody yet
};

/// How long a wait took that ended after `until`, which lay `timeout` ahead when it began. So the clock is read at the
/// end, and not before each acquisition in case it should fail.
[[nodiscard]] std::chrono::nanoseconds time_waited(deadline until, std::chrono::nanoseconds timeout) noexcept;

}  // namespace lockkit::detail
