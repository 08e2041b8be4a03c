#pragma once
/// Growing, jittered pauses between attempts.
///
/// The k-th pause is uniform in [d/2, d] with d = min(first * factor^k, longest) ("equal jitter", AWS Architecture
/// Blog, "Exponential Backoff And Jitter", 2015): it grows, never collapses to zero, and does not keep in step with
/// other processes. Each object has its own random stream, seeded from the kernel; a forked child reseeds.

#include <chrono>
#include <cstdint>

#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// How pauses grow. `factor` below 1 counts as 1; a negative pause counts as zero.
struct backoff_policy {
  std::chrono::nanoseconds first = std::chrono::milliseconds(10);
  std::chrono::nanoseconds longest = std::chrono::seconds(2);
  double factor = 2.0;
};

/// One series of pauses. Used by one thread at a time.
class LOCKKIT_API backoff {
 public:
  explicit backoff(backoff_policy policy = {}) noexcept;

  /// The next pause; does not sleep.
  [[nodiscard]] std::chrono::nanoseconds next() noexcept;

  /// Sleeps for next(), but not beyond `until`. False when `until` has passed.
  bool sleep(deadline until) noexcept;

  /// Starts the series again.
  void reset() noexcept { attempt_ = 0; }

 private:
  backoff_policy policy_;
  unsigned attempt_ = 0;
  std::uint64_t random_ = 0;
  std::uint64_t generation_ = 0;
};

/// Sleeps on the monotonic clock until `until`; returns at once when it has passed. Signals do not end it early.
/// A deadline of never() is a precondition violation and returns at once.
LOCKKIT_API void sleep_until(deadline until) noexcept;

}  // namespace lockkit::inline v0
