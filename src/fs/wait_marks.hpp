#pragma once
/// The marks that those who wait for a kernel lock set on the locked inode: record locks (OFD) on bytes far beyond its end.
/// They decide who goes first and who must be woken; never who is in, which is flock's to say. All of them vanish with the
/// process that set them.
///
/// Rules, each with its reason.
///  1. Everybody who waits has the presence byte, shared, or a ticket: so that a release knows whether anybody waits.
///  2. A writer that waits marks the writers' door. A reader that comes finds it closed and waits as though a writer were
///     in: else readers that overlap each other would keep the writer out for as long as they come.
///  3. A reader that has been through somebody's exclusive hold (it was refused by the kernel, or the record's token has
///     grown since it began to wait) is due: it no longer looks at rule 2, and marks the readers' door, which makes
///     writers that wait let it pass: else writers that come one after another would keep the readers out. So writers
///     and readers take turns (as in the phase-fair locks of Brandenburg and Anderson, "Spin-based reader-writer
///     synchronization for multiprocessor real-time systems", 2010). A writer waits for the readers that it found; a
///     reader for the hold that it found and for that of the writer that had it held back.
///  4. A writer that comes looks at the readers' door only if its object is new, or its last release woke readers: each
///     look costs a call. Whoever does nothing but lock and unlock would be back before the readers are awake; so each
///     writer's object passes readers that are due once at most.
///  5. Who is stopped (SIGSTOP) while he has a mark must not close the door for ever, nor hide the mark of another one who
///     runs. So a door is a dial of bytes, one for each tenth of a second by the monotonic clock. Who waits has a shared
///     lock on the byte of now, and moves it on whenever he wakes up; a mark that is half a second behind, ten times the
///     longest sleep, is not respected. Whoever looks needs no memory of it: also one who comes for the first time, and
///     only tries, passes by the stopped. After a turn of the dial a mark that stayed is respected once more, for as long.
///     Processes in different time namespaces, whose clocks differ, may see each other's doors open.
///  6. A ticket is the byte after the last that is locked; who has no locked ticket before its own is the first. Two who
///     choose the same byte: one of them gets it, the other chooses again; they came at the same time.
///  7. In order (tickets) and taking turns (rules 2 to 4) go together: only the first of the queue sets the marks of rules
///     2 and 3, or a reader behind a writer would make that one wait for it.

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
/// Bytes of a dial: one for each tenth of a second, so one turn in 100 seconds.
inline constexpr std::uint64_t dial = 1000;
inline constexpr std::uint64_t writers_dial = platform::presence_byte - 3 * dial;
inline constexpr std::uint64_t readers_dial = platform::presence_byte - 2 * dial;
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

/// Whether somebody else, who runs, has a mark on that dial: rule 5.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_door_closed(int fd, std::uint64_t dial) noexcept;

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
  waiting_marks(int fd, platform::lock_mode mode, lock_manners manners) noexcept
      : fd_(fd), mode_(mode), manners_(manners) {}
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
  [[nodiscard]] bool held_others_back() const noexcept { return at_door_ != 0 || ticket_ != 0; }
  [[nodiscard]] std::uint32_t bits() const noexcept;

 private:
  void take_ticket(std::error_code& ec) noexcept;
  [[nodiscard]] bool is_first() const noexcept;
  void stand_at(std::uint64_t dial) noexcept;
  void become_due() noexcept;

  int fd_;
  platform::lock_mode mode_;
  lock_manners manners_;
  bool set_ = false;
  bool due_ = false;
  std::uint64_t at_door_ = 0;  // our byte of the dial
  std::uint64_t ticket_ = 0;
  std::uint64_t token_at_first_ = ~std::uint64_t{0};
};

}  // namespace lockkit::detail
