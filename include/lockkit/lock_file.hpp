#pragma once
/// lock_file: a lock that scripts understand. While it is held the file exists; when it is free it does not.
///
/// The file appears by an exclusive creation (EEXIST if present), so `set -C` in a shell, O_CREAT|O_EXCL, Python's
/// SoftFileLock and dotlockfile exclude lockkit and are excluded by it. Between lockkit's own processes the kernel
/// excludes, through a hidden guard file `.<name>.guard` beside the path that stays (unless lock_options::ephemeral_guard):
/// a holder that dies (kill -9, power cut) is succeeded at once, nothing has to be judged stale, and no clock is consulted.
/// flock(1) and its kind are kept out by a held lock file, too; POSIX's record locks with keep_out::everyone.
///
///   state     lock()               try_lock()   unlock()                 owns_lock()
///   free      held                 true         nothing                  false
///   held      would_deadlock¹      false        free                     true
///   other²    waits, then held     false        nothing                  false
///   ¹ on the thread that holds it; on other threads as "other".   ² held by another object, process or script.
///
/// Caveats. Advisory: excludes those who ask. Never `rm` both the lock file and its guard: newcomers could enter.
/// A script that deletes "stale" lock files by name can delete a live one; lockkit's own processes stay excluded even
/// then, and unlock() reports it through lost(). A forked child owns nothing: unlock() and the destructor do nothing
/// there; but while a child lives that was forked during a hold, or between two of one object, a parent that is killed
/// still counts as holding. A wait for a lock goes on at a guard that was removed by force while its old holder lives
/// (lockkit break --force): new objects get in, those that waited before do not. Several locks at once: lock_set. Meets
/// Cpp17TimedLockable: works with std::scoped_lock, std::unique_lock and std::lock.

#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>

#include <lockkit/cancellation.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/lock_options.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::detail {
struct lock_file_internals;
}

namespace lockkit::inline v0 {

/// What verify() found.
enum class verify_result {
  held,      ///< the lock file is ours
  restored,  ///< it had been removed; it stands again and nobody else can have entered with lockkit
  lost,      ///< somebody else's file stands there, or the guard was replaced: stop, somebody else may be in
};

/// May be used from several threads (they exclude each other; on_wait may then be called by several at once);
/// constructing, moving and destroying may not overlap with any other use. A kept object is several times faster than one
/// made for each lock, and keeps one descriptor open. Destroying releases. Of a moved-from object only owns_lock(),
/// unlock(), lost(), left_behind(), token() and destroying may be called, and assigning to it.
class LOCKKIT_API lock_file {
 public:
  /// Touches nothing: the path is made absolute and kept. Errors appear when locking.
  explicit lock_file(const std::filesystem::path& path, lock_options options = {});
  ~lock_file();
  lock_file(lock_file&& other) noexcept;
  lock_file& operator=(lock_file&& other) noexcept;  ///< releases what the target held

  /// Waits up to options.timeout. Throws lock_timeout when that passes, error for anything else.
  void lock();
  /// Never waits for a holder. False: somebody holds it.
  [[nodiscard]] bool try_lock();
  [[nodiscard]] bool try_lock(std::error_code& ec);
  /// Waits until `until` (monotonic). False: it passed first. At least one attempt is made, also when it has passed.
  /// `ec` is set for failures only and cleared otherwise, on contention too.
  [[nodiscard]] bool try_lock_until(deadline until);
  [[nodiscard]] bool try_lock_until(deadline until, std::error_code& ec);
  /// The same; false also once a stop is requested, or a descriptor is readable (cancellation.hpp says how soon).
  [[nodiscard]] bool try_lock_until(deadline until, cancellation cancel, std::error_code& ec);

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> wait) {
    return try_lock_until(deadline::after(wait));
  }
  /// Any clock: waits for as long as is left when the call begins, and again if by then that clock is not there yet.
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> until) {
    return deadline::repeat_until(until, [this](deadline wait) { return try_lock_until(wait); });
  }

  /// Releases and wakes one waiter. Does nothing when not held. If the lock file had been removed or replaced by
  /// somebody, nothing of theirs is touched and lost() turns true.
  void unlock() noexcept;

  [[nodiscard]] bool owns_lock() const noexcept;
  /// Whether since the last acquisition unlock() found the lock file gone or replaced, or verify() answered `lost`.
  [[nodiscard]] bool lost() const noexcept;
  /// Whether the last unlock() could not remove the lock file (its directory became read-only, the process gave up its
  /// privileges). lockkit's next holder takes it over; scripts see it as held until then.
  [[nodiscard]] bool left_behind() const noexcept;
  /// Looks whether the lock file is still ours, and puts it back if it was removed. errc::not_held if not held.
  [[nodiscard]] verify_result verify();
  [[nodiscard]] verify_result verify(std::error_code& ec);

  /// Grows with every acquisition of this path, across processes, crashes and reboots, while the guard is kept; after its
  /// removal it goes on from the wall clock. Zero when not held. For the resource's side: fence_gate.
  [[nodiscard]] fencing_token token() const noexcept;
  /// The absolute path.
  [[nodiscard]] const std::filesystem::path& path() const noexcept;

 private:
  friend struct detail::lock_file_internals;
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
