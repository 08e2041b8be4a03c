#pragma once
/// A 32-bit word inside a file, on which processes sleep and wake each other (futex).
///
/// Only the kernel touches the mapping: user code never dereferences it. Any script can truncate a lock file, and a
/// load from a truncated mapping would be SIGBUS in every waiting process; the kernel reports EFAULT instead.

#include <cstdint>
#include <memory>
#include <system_error>

#include <lockkit/deadline.hpp>

#include "private_api.hpp"

namespace lockkit::platform {

class LOCKKIT_PRIVATE_API shared_word {
 public:
  shared_word() noexcept;
  /// Maps the word at `offset` (a multiple of 4) of the open file.
  shared_word(int fd, std::size_t offset, std::error_code& ec) noexcept;
  ~shared_word();
  shared_word(shared_word&&) noexcept;
  shared_word& operator=(shared_word&&) noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return mapping_ != nullptr; }

  /// Sleeps while the word is `expected`, until woken or `until`. May return early; never late for want of a wake-up
  /// that was sent after `expected` was read. A code: can't sleep here (the file is truncated, say); nap instead.
  /// `bits` says which wake-ups are meant for this sleeper: those that have one of them.
  void wait(std::uint32_t expected, deadline until, std::error_code& ec, std::uint32_t bits = ~0U) noexcept;
  /// Adds 1 to the word, then wakes up to `count` sleepers, whatever their bits.
  void bump_and_wake(int count) noexcept;
  /// Adds 1 to the word: nobody falls asleep any more who read it before.
  void bump() noexcept;
  /// Wakes up to `count` sleepers that have one of these bits; returns how many.
  int wake(int count, std::uint32_t bits) noexcept;

 private:
  struct mapping;
  std::unique_ptr<mapping> mapping_;
};

/// Sleeps while the process-private word is `expected`, until woken or `until`. May return early.
LOCKKIT_PRIVATE_API void wait_private(const std::uint32_t* word, std::uint32_t expected, deadline until) noexcept;
LOCKKIT_PRIVATE_API void wake_private(const std::uint32_t* word) noexcept;

}  // namespace lockkit::platform
