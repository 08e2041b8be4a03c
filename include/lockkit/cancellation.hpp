#pragma once
/// cancellation: what may end a wait before its deadline. A std::stop_token, a descriptor that becomes readable, or both.
///
/// A stop_token is for threads of this process. A descriptor is for programs with an event loop, and for signals: a pipe,
/// an eventfd, a signalfd, a timerfd, a pidfd, a socket. It ends the wait once it can be read, is at its end (a pipe
/// that nobody can write to any more) or in error. Nothing is ever read from it: it stays readable, and stays the
/// caller's, who keeps it open until the call returns.
///
/// How soon: a stop at once, where the wait is for a lockkit holder in another process or object. A descriptor within
/// 10 ms there. In every other wait (a script's file, another thread that uses the same object) a descriptor and a stop
/// within 50 ms.

#include <optional>
#include <stop_token>
#include <utility>

#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// A value: cheap to copy. The empty one never ends anything. A child made by fork needs tokens of its own.
class cancellation {
 public:
  cancellation() noexcept = default;
  cancellation(std::stop_token stop) noexcept : stop_(std::move(stop)) {}  // NOLINT(*-explicit-*): a token is one

  /// `descriptor` is looked at when a call begins, also if the lock is free: std::errc::bad_file_descriptor if it is not
  /// open for reading (or was closed during the wait), std::errc::invalid_argument for a file or a directory, which
  /// count as readable at any time. Either ends the call: there is no wait that could not be cancelled.
  [[nodiscard]] static cancellation when_readable(int descriptor, std::stop_token or_when_stopped = {}) noexcept {
    cancellation result(std::move(or_when_stopped));
    result.descriptor_ = descriptor;
    return result;
  }

  [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }
  [[nodiscard]] std::optional<int> descriptor() const noexcept { return descriptor_; }

 private:
  std::stop_token stop_;
  std::optional<int> descriptor_;
};

}  // namespace lockkit::inline v0
