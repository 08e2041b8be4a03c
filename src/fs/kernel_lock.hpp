#pragma once
/// The kernel's lock on an inode, with deadline, wake-up and hand-on: what excludes lockkit's processes.
///
/// Rules of waiting, each with its reason. The order matters: each swap loses wake-ups (found by model search). Who goes
/// first among those who wait is wait_marks.hpp's.
///  1. Mark presence (wait_marks.hpp) before the last look, so that whoever releases after it knows that somebody must be
///     woken. Without waiters a release then costs no wake-up.
///  2. Read the word, then try the lock, then sleep on the word as it was read: a release in between changed it, and
///     the kernel refuses to sleep.
///  3. Try once more before looking at the deadline: a wake-up taken along by a waiter that gives up would be lost.
///  4. Never sleep longer than a slice of the time waited, 5 to 50 ms: a killed holder sends no wake-up. The kernel has
///     released its lock, so the next try succeeds.
///  5. Release: unlock, then look for presence, then change the word and wake one. Waking before unlocking wakes into a
///     closed door; a word that does not change lets a late sleeper miss it. Where there are readers: the end of an
///     exclusive hold wakes them all, and one writer if none of them is due (wait_marks.hpp): those who are not will let it
///     go first. The end of a shared hold wakes a writer. Where there is a queue: its first. Whoever is let sleep on by this
///     is not the one who may go.
///  6. Who was let in for sharing wakes the other readers, once: more may share. Who leaves an exclusive try or a failed
///     start after having locked releases by rule 5, or a sleeper would wait for its slice. So does who leaves a wait in
///     which others let him go first.
///  7. Only the kernel reads the mapped word (shared_word.hpp). Where it can't be mapped or slept on (truncated by a
///     script, remote filesystem): short naps.
///  8. A stop that is requested changes the word and wakes those who can be stopped, in every process: whoever was about
///     to sleep does not, and the others look and sleep again. It takes nobody's wake-up.
///
/// Rules of changing the mode. flock takes the old lock away before it looks whether the new one can be had; a refused
/// upgrade has lost the shared lock, and the manual promises nothing about what may come between.
///  9. Who changes has the conversion byte for as long as he may hold neither mode. Whoever gets the exclusive lock looks
///     at it before believing it: if somebody else has it, he gives the lock back, and waits as if he had been refused. So
///     nobody of lockkit can have held it exclusively in between, nor written anything. He does not wait on the word then,
///     which giving back changes: two who wait for one who is stopped in there would wake each other without end.
/// 10. An upgrade is tried once: two who wait for each other's shared lock would wait for ever. The second one does not get
///     the byte, and keeps sharing.
/// 11. Refused, he takes his shared lock again. What can be in his way is one who is about to give back by rule 9, or
///     somebody who knows no conversion byte (flock(1)): he waits for it as long as the caller said, and a second at the
///     least, since one who keeps rule 9 must not cost him the lock. Then it is lost. It is lost also if the record shows
///     that somebody held it meanwhile.

#include <system_error>

#include <lockkit/deadline.hpp>

#include "platform/lock.hpp"
#include "platform/shared_word.hpp"
#include "platform/unique_fd.hpp"
#include "wait_marks.hpp"
#include "wait_terms.hpp"

namespace lockkit::detail {

/// Does not own the descriptor.
class LOCKKIT_PRIVATE_API kernel_lock {
 public:
  /// `local`: whether the kernel is the only one who keeps this file's locks. Then sleeping on the word is possible, and
  /// marks are.
  kernel_lock(int fd, bool local, lock_manners manners = {}) noexcept;

  /// False with a clear code: not free before the terms were over. ENOSYS and the like become unsupported_filesystem.
  /// `already_shares`: this thread shares it through another object, so the kernel will not refuse it; it must not be held
  /// back by a writer, who waits for that, nor by a queue behind such a one.
  [[nodiscard]] bool acquire(platform::lock_mode mode, wait_terms& terms, std::error_code& ec,
                             bool already_shares = false);
  void release() noexcept;

  /// Exclusive to shared. On errc::lock_lost nothing is held any more, on any other error what was held.
  void downgrade(deadline patience, std::error_code& ec) noexcept;
  /// Shared to exclusive. False with a clear code: others share, and it is still shared. Errors as for downgrade.
  [[nodiscard]] bool try_upgrade(deadline patience, std::error_code& ec) noexcept;

 private:
  class visit;

  [[nodiscard]] bool try_acquire(platform::lock_mode mode, std::error_code& ec) noexcept;
  [[nodiscard]] bool may_try_at_once(platform::lock_mode mode, bool already_shares) noexcept;
  [[nodiscard]] bool is_being_converted(std::error_code& ec) const noexcept;
  [[nodiscard]] bool begin_conversion(std::error_code& ec) noexcept;
  [[nodiscard]] bool upgrade_or_regain(deadline patience, std::error_code& ec) noexcept;
  void regain_shared(deadline patience, std::error_code& ec) noexcept;
  void lose(std::error_code& ec) noexcept;
  [[nodiscard]] std::uint64_t token_now(std::error_code& ec) const noexcept;
  void wake_next(platform::lock_mode left) noexcept;
  void wake_readers_or_writer(platform::lock_mode left) noexcept;
  void wake_those_who_share() noexcept;
  void map_word() noexcept;

  int fd_;
  bool local_;
  lock_manners manners_;
  platform::lock_mode mode_ = platform::lock_mode::exclusive;
  platform::shared_word word_;
  bool must_look_for_readers_ = true;  // rule 4 of wait_marks.hpp
  bool gave_back_ = false;             // rule 9
};

}  // namespace lockkit::detail
