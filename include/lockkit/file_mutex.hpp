#pragma once
/// file_mutex: a mutex named by a file that stays, shared by every process on this host; shared and exclusive.
///
/// The kernel's flock on the file excludes; a holder that dies is succeeded at once. The file belongs to lockkit: it
/// holds the last exclusive owner's record, is made when missing and never removed. Quicker than lock_file, and
/// invisible to scripts that look for a file's existence (flock(1) excludes it and is excluded by it).
///
///   state         lock()            try_lock()   lock_shared()   try_lock_shared()   unlock()/unlock_shared()
///   free          held              true         shared          true                nothing
///   held (own)    would_deadlock¹   false        would_deadlock¹ false               free
///   held (other)  waits             false        waits           false               nothing
///   shared (other) waits            false        shared²         true²               nothing
///   ¹ on the thread that holds it, unless both would share through two objects. One object holds at most once, in either
///     mode: use one object per thread to share.   ² waits, or false, while a writer waits.
///
/// Writers and readers take turns. A reader that comes while a writer waits goes behind it, though only readers hold the
/// lock (try_lock_shared() is false then); readers that waited through an exclusive hold go in before the writers that
/// wait (try_lock() may be false then). So neither kind is kept out by a stream of the other. A waiter that is killed
/// loses its place at once; one that is stopped (SIGSTOP) is passed by after half a second. Within one kind the order is
/// chance, unless options.order says otherwise. Nothing of this holds on a server's filesystem
/// (remote_policy::trust_server), where waiters leave no marks: there a steady stream of readers can hold off a writer.
///
/// Caveats. Advisory. Do not delete the file while it is in use: newcomers would lock a new one (acquisition notices a
/// file deleted before it, not one deleted during the hold). Who shares it, and waits for somebody else who wants to
/// share it, waits for the writer that came in between, who waits for him; only within one thread is that avoided.
/// A forked child owns nothing; but while a child lives that was forked during a hold, or between two of one object, a
/// parent that is killed still counts as holding. Meets Cpp17SharedTimedLockable.

#include <chrono>
#include <filesystem>
#include <memory>
#include <system_error>

#include <lockkit/cancellation.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/lock_options.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// Threads and moved-from objects: as lock_file. Destroying releases.
class LOCKKIT_API file_mutex {
 public:
  /// Touches nothing: the path is made absolute and kept. Errors appear when locking.
  explicit file_mutex(const std::filesystem::path& path, lock_options options = {});
  ~file_mutex();
  file_mutex(file_mutex&& other) noexcept;
  file_mutex& operator=(file_mutex&& other) noexcept;  ///< releases what the target held

  /// Waits up to options.timeout, then throws lock_timeout.
  void lock();
  void lock_shared();
  /// Never waits for a holder.
  [[nodiscard]] bool try_lock();
  [[nodiscard]] bool try_lock(std::error_code& ec);
  [[nodiscard]] bool try_lock_shared();
  [[nodiscard]] bool try_lock_shared(std::error_code& ec);
  /// As lock_file::try_lock_until.
  [[nodiscard]] bool try_lock_until(deadline until);
  [[nodiscard]] bool try_lock_until(deadline until, std::error_code& ec);
  [[nodiscard]] bool try_lock_until(deadline until, cancellation cancel, std::error_code& ec);
  [[nodiscard]] bool try_lock_shared_until(deadline until);
  [[nodiscard]] bool try_lock_shared_until(deadline until, std::error_code& ec);
  [[nodiscard]] bool try_lock_shared_until(deadline until, cancellation cancel, std::error_code& ec);

  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> wait) {
    return try_lock_until(deadline::after(wait));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> wait) {
    return try_lock_shared_until(deadline::after(wait));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> until) {
    return deadline::repeat_until(until, [this](deadline wait) { return try_lock_until(wait); });
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> until) {
    return deadline::repeat_until(until, [this](deadline wait) { return try_lock_shared_until(wait); });
  }

  /// Both release whatever mode is held, wake a waiter, and do nothing when not held.
  void unlock() noexcept;
  void unlock_shared() noexcept { unlock(); }

  /// Exclusive becomes shared, and nobody of lockkit holds it exclusively in between: what was written is what is shared.
  /// token() is zero from then on; latest_token() still gives it, as long as it is shared. errc::not_held unless held
  /// exclusively by this object.
  void downgrade();
  void downgrade(std::error_code& ec);
  /// Shared becomes exclusive, if nobody else shares. True: nobody of lockkit held it exclusively in between, so what was
  /// read still holds; token() is a new one. False: others share it, or are about to try this, too; it is still shared,
  /// nothing was waited for, and whoever must write unlocks and locks. errc::not_held unless shared by this object.
  ///
  /// The kernel takes the shared lock away before it refuses the exclusive one. Programs of lockkit respect who stands
  /// there with neither; flock(1) may slip in. If it is then not given back within options.timeout, a second at the least:
  /// errc::lock_lost, and nothing is held (likewise behind one of lockkit that is stopped, by SIGSTOP, before it gives
  /// back what it may not have); so also if the file was replaced meanwhile. A flock(1) that came and went goes unnoticed.
  /// While another program has a record lock (fcntl, lockf) on the whole file, an upgrade is refused, and a downgrade is
  /// std::errc::device_or_resource_busy. Both need a local filesystem, else errc::unsupported_filesystem. On these and any
  /// other error nothing changes.
  [[nodiscard]] bool try_upgrade();
  [[nodiscard]] bool try_upgrade(std::error_code& ec);

  /// Held in either mode.
  [[nodiscard]] bool owns_lock() const noexcept;
  /// Grows with every exclusive acquisition while the file is kept. Zero unless held exclusively.
  [[nodiscard]] fencing_token token() const noexcept;
  /// The token of the latest exclusive acquisition by anybody, read without locking; zero when there was none.
  /// A value read here is smaller than that of every acquisition that began after the call.
  [[nodiscard]] fencing_token latest_token(std::error_code& ec) const;
  [[nodiscard]] const std::filesystem::path& path() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
