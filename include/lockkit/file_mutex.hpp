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
///   shared (other) waits            false        shared          true                nothing
///   ¹ on the thread that holds it, unless both would share through two objects. One object holds at most once, in either
///     mode: use one object per thread to share.
///
/// Caveats. Advisory. A steady stream of readers can hold off a writer. Do not delete the file while it is in use:
/// newcomers would lock a new one (acquisition notices a file deleted before it, not one deleted during the hold).
/// A forked child owns nothing. Meets Cpp17SharedTimedLockable.

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <system_error>

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
  [[nodiscard]] bool try_lock_until(deadline until, std::stop_token stop, std::error_code& ec);
  [[nodiscard]] bool try_lock_shared_until(deadline until);
  [[nodiscard]] bool try_lock_shared_until(deadline until, std::error_code& ec);
  [[nodiscard]] bool try_lock_shared_until(deadline until, std::stop_token stop, std::error_code& ec);

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
    for (;;) {
      const deadline wait = deadline::until(until);
      if (try_lock_until(wait)) return true;
      if (deadline::until(until).expired()) return false;
    }
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> until) {
    for (;;) {
      const deadline wait = deadline::until(until);
      if (try_lock_shared_until(wait)) return true;
      if (deadline::until(until).expired()) return false;
    }
  }

  /// Both release whatever mode is held, wake a waiter, and do nothing when not held.
  void unlock() noexcept;
  void unlock_shared() noexcept { unlock(); }

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
