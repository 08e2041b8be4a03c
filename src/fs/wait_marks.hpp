#pragma once
/// The marks that those who wait for a kernel lock set on the locked inode: record locks (OFD) on bytes far beyond its end.
/// They decide who goes first and who must be woken; never who is in, which is flock's to say. All of them vanish with the
/// process that set them.
///
/// Rules, each with its reason.
///  1. Everybody who waits has the presence byte, shared, or a ticket: so that a release knows whether anybody waits.
///  2. A writer that waits locks the writers' byte. A reader that comes finds it locked and waits as though a writer were
///     in: else readers that overlap each other would keep the writer out for as long as they come. One writer at a time
///     has the byte; another gets it when that one is in.
///  3. A reader that has been through somebody's exclusive hold (it was refused by the kernel, or the record's token has
///     grown since it began to wait) is due: it no longer looks at rule 2, and marks the readers' byte, which makes
///     writers that wait let it pass: else writers that come one after another would keep the readers out. So writers
///     and readers take turns (as in the phase-fair locks of Brandenburg and Anderson, "Spin-based reader-writer
///     synchronization for multiprocessor real-time systems", 2010). A writer waits for the readers that it found; a
///     reader for the hold that it found and for that of the writer that had it held back.
///  4. A writer that comes looks at the readers' byte only if its object is new, or its last release woke readers: each
///     look costs a call. Whoever does nothing but lock and unlock would be back before the readers are awake; so each
///     writer's object passes readers that are due once at most.
///  5. Who is stopped (SIGSTOP) while he has one of these bytes must not close the door for ever. A writer shows that it
///     runs by changing the length of what it has locked each time it wakes up. A byte that stays as it is for half a
///     second, ten times the longest sleep, is not respected any more, until it changes.
///  6. A ticket is the byte after the last that is locked; who has no locked ticket before its own is the first. Two who
///     choose the same byte: one of them gets it, the other chooses again; they came at the same time.
///  7. In order (tickets) and taking turns (rules 2 to 4) go together: only the first of the queue sets the marks of rules
///     2 and 3, or a reader behind a writer would make that one wait for it.

#include <chrono>
#include <cstdint>
#include <system_error>

#include "platform/lock.hpp"

namespace lockkit::detail {

/// How those who want one inode's lock treat each other.
struct lock_manners {
  bool sharing = false;   ///< there are readers: a file_mutex
  bool in_order = false;  ///< tickets: wait_order::first_come
};

/// Where the marks are.
namespace mark {
inline constexpr std::uint64_t pulses = 64;
inline constexpr std::uint64_t writers_byte = platform::presence_byte - 2 * pulses;
inline constexpr std::uint64_t readers_byte = platform::presence_byte - 2;
/// Whoever changes between the two modes (kernel_lock.hpp).
inline constexpr std::uint64_t conversion_byte = platform::presence_byte - 1;
inline constexpr std::uint64_t first_ticket = platform::presence_byte * 2;
inline constexpr std::uint64_t end_of_tickets = std::uint64_t{1} << 62U;
}  // namespace mark

/// Which wake-ups a sleeper is for.
namespace wake_bit {
inline constexpr std::uint32_t reader = 1U << 24U;
inline constexpr std::uint32_t writer = 1U << 25U;
inline constexpr std::uint32_t stop = 1U << 26U;
[[nodiscard]] constexpr std::uint32_t of_ticket(std::uint64_t ticket) noexcept {
  return 1U << (ticket % 24U);
}
}  // namespace wake_bit

/// Somebody else's byte, as one object sees it: rule 5.
class door {
 public:
  explicit door(std::uint64_t byte) noexcept : byte_(byte) {}
  [[nodiscard]] bool is_closed(int fd) noexcept;

 private:
  std::uint64_t byte_;
  std::uint64_t seen_ = 0;  // length of the lock; 0: none
  std::chrono::steady_clock::time_point since_{};
};

/// Those who wait, seen from outside.
struct waiters {
  bool any = false;
  std::uint64_t first_ticket = 0;  ///< 0: nobody waits in order
};
[[nodiscard]] LOCKKIT_PRIVATE_API waiters find_waiters(int fd) noexcept;

/// Whether anybody has a ticket.
[[nodiscard]] bool is_queue(int fd) noexcept;

/// One wait's marks; gone with it.
class waiting_marks {
 public:
  waiting_marks(int fd, platform::lock_mode mode, lock_manners manners, door& writers, door& readers) noexcept
      : fd_(fd), mode_(mode), manners_(manners), writers_(writers), readers_(readers) {}
  ~waiting_marks() { clear(); }
  waiting_marks(const waiting_marks&) = delete;
  waiting_marks& operator=(const waiting_marks&) = delete;

  void set(std::error_code& ec) noexcept;
  void clear() noexcept;
  [[nodiscard]] bool are_set() const noexcept { return set_; }
  /// Whether it is our turn to try. `token`: the record's now.
  [[nodiscard]] bool may_try(std::uint64_t token) noexcept;
  /// The kernel has refused us.
  void refused() noexcept;
  /// Whether others may have let us go first: if we leave without having been in, they must be woken.
  [[nodiscard]] bool held_others_back() const noexcept { return is_head_ || is_marked_due_ || ticket_ != 0; }
  [[nodiscard]] std::uint32_t bits() const noexcept;

 private:
  void take_ticket(std::error_code& ec) noexcept;
  [[nodiscard]] bool is_first() const noexcept;
  void become_head() noexcept;
  void become_due() noexcept;

  int fd_;
  platform::lock_mode mode_;
  lock_manners manners_;
  door& writers_;
  door& readers_;
  bool set_ = false;
  bool due_ = false;
  bool is_marked_due_ = false;
  bool is_head_ = false;
  std::uint64_t pulse_ = 0;
  std::uint64_t ticket_ = 0;
  std::uint64_t token_at_first_ = ~std::uint64_t{0};
};

}  // namespace lockkit::detail
