#pragma once
/// The kernel's lock on an inode, with deadline, wake-up and hand-on: what excludes lockkit's processes.
///
/// Rules of waiting, each with its reason. The order matters: each swap loses wake-ups (found by model search).
///  1. Mark presence (a read lock on a byte far beyond the file's end) before the last look, so that whoever releases
///     after it knows that somebody must be woken. Without waiters a release then costs no wake-up.
///  2. Read the word, then try the lock, then sleep on the word as it was read: a release in between changed it, and
///     the kernel refuses to sleep.
///  3. Try once more before looking at the deadline: a wake-up taken along by a waiter that gives up would be lost.
///  4. Never sleep longer than a slice of the time waited, 5 to 50 ms: a killed holder sends no wake-up. The kernel has
///     released its lock, so the next try succeeds.
///  5. Release: unlock, then look for presence, then change the word and wake one. Waking before unlocking wakes into a
///     closed door; a word that does not change lets a late sleeper miss it.
///  6. Who was let in for sharing wakes the others, once: more may share. Who leaves an exclusive try or a failed start
///     after having locked releases by rule 5, or a sleeper would wait for its slice.
///  7. Only the kernel reads the mapped word (shared_word.hpp). Where it can't be mapped or slept on (truncated by a
///     script, remote filesystem): short naps.

#include <functional>
#include <stop_token>
#include <system_error>

#include <lockkit/deadline.hpp>

#include "platform/lock.hpp"
#include "platform/shared_word.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// One call's wait: until when, what ends it early, and what to say when it begins. Shared by all its stages.
class wait_terms {
 public:
  wait_terms(deadline until, std::stop_token stop) noexcept : until_(until), stop_(std::move(stop)) {}

  /// Called once, before the first sleep.
  std::function<void()> notice;

  [[nodiscard]] bool over() const noexcept { return until_.expired() || stop_.stop_requested(); }
  [[nodiscard]] deadline until() const noexcept { return until_; }
  /// Says that a wait begins, the first time.
  void begin();
  [[nodiscard]] bool has_begun() const noexcept { return began_ != std::chrono::steady_clock::time_point(); }
  /// Until when to sleep now: rule 4's slice, at most `longest`.
  [[nodiscard]] deadline slice(std::chrono::nanoseconds longest = std::chrono::milliseconds(50)) const noexcept;

 private:
  deadline until_;
  std::stop_token stop_;
  std::chrono::steady_clock::time_point began_{};
};

/// How long a wait took that ended after `until`, which lay `timeout` ahead when it began. So the clock is read at the
/// end, and not before each acquisition in case it should fail.
[[nodiscard]] std::chrono::nanoseconds time_waited(deadline until, std::chrono::nanoseconds timeout) noexcept;

/// Does not own the descriptor.
class kernel_lock {
 public:
  /// `wakes`: whether sleeping on the word is possible (local filesystem).
  kernel_lock(int fd, bool wakes) noexcept : fd_(fd), wakes_(wakes) {}

  /// False with a clear code: not free before the terms were over. ENOSYS and the like become unsupported_filesystem.
  [[nodiscard]] bool acquire(platform::lock_mode mode, wait_terms& terms, std::error_code& ec);
  void release() noexcept;

 private:
  [[nodiscard]] bool try_acquire(platform::lock_mode mode, std::error_code& ec) noexcept;
  [[nodiscard]] bool wait(platform::lock_mode mode, wait_terms& terms, std::error_code& ec);
  void sleep(std::uint32_t word, const wait_terms& terms) noexcept;
  void map_word() noexcept;
  void wake(int count) noexcept;

  int fd_;
  bool wakes_;
  platform::shared_word word_;
};

}  // namespace lockkit::detail
