#pragma once
/// lock_set: several lock files at once, all of them or none. lock_all: made and locked in one call.
///
/// Programs that take several locks in different orders can wait for one another in a circle. A set takes its locks in
/// an order that is the same in every process, however each of them spells the paths (relative, through symbolic links,
/// through "..", through another mount of the same filesystem): by the directory's device and inode, then by the file's
/// name, byte by byte. So processes that take all the locks they hold at a time as one set never wait in a circle.
///
///   state        lock()               try_lock()              unlock()
///   not held     held, or throws      true, or holds none     nothing
///   held         would_deadlock       false                   none held
///
/// Caveats. The order can't help who holds a lock of his own when he asks for a set: his wait has a deadline, choose it.
/// Nor where names differ in the directory and mean one file (a filesystem that folds upper and lower case), or a
/// directory is replaced, or a link in a path turned elsewhere, while sets are waited for: a set can then wait for itself
/// until its deadline. While a set is waited for, those of its locks that come first are held already: keep sets small, or
/// waits short. One thread at a time uses an object.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include <lockkit/cancellation.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/lock_file.hpp>
#include <lockkit/lock_options.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// The lock for which a set was not had.
struct missed_lock {
  std::filesystem::path path;
  owner holder;          ///< as far as its record says; nobody (pid 0) after an error
  bool foreign = false;  ///< held by something that is not lockkit
};

/// Meets Cpp17TimedLockable. Destroying releases. Of a moved-from set only owns_lock(), unlock(), size(), destroying and
/// assigning to it.
class LOCKKIT_API lock_set {
 public:
  /// Touches nothing. `options` are those of each lock; on_wait is told the path that is waited for. No path: always had.
  explicit lock_set(const std::vector<std::filesystem::path>& paths, const lock_options& options = {});
  ~lock_set();
  lock_set(lock_set&& other) noexcept;
  lock_set& operator=(lock_set&& other) noexcept;  ///< releases what the target held

  /// Waits up to options.timeout for all together, then throws lock_timeout, which names the lock that was missing and
  /// its holder. Any other failure: error, with the path that it was about.
  void lock();
  [[nodiscard]] bool try_lock();
  [[nodiscard]] bool try_lock(std::error_code& ec);
  /// As lock_file::try_lock_until: false with a clear code if not all were had; then none is held, and missed() says for
  /// which. errc::same_lock_twice: two of the paths are one lock.
  [[nodiscard]] bool try_lock_until(deadline until);
  [[nodiscard]] bool try_lock_until(deadline until, std::error_code& ec);
  [[nodiscard]] bool try_lock_until(deadline until, cancellation cancel, std::error_code& ec);
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> wait) {
    return try_lock_until(deadline::after(wait));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> until) {
    return deadline::repeat_until(until, [this](deadline wait) { return try_lock_until(wait); });
  }

  /// In the reverse order. Does nothing when not held.
  void unlock() noexcept;

  /// Whether all are held.
  [[nodiscard]] bool owns_lock() const noexcept;
  /// After a failure: which lock was not had. Empty after a success.
  [[nodiscard]] const std::optional<missed_lock>& missed() const noexcept;

  /// The locks, in the order in which the paths were given: for token(), verify(), lost(). Unlocking one by hand leaves
  /// the others held.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] lock_file& operator[](std::size_t index) noexcept;
  /// By its path, as it was given or as lock_file::path() has it. Throws std::out_of_range.
  [[nodiscard]] lock_file& at(const std::filesystem::path& path);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// A set that is held. Throws what lock_set::lock() throws.
[[nodiscard]] LOCKKIT_API lock_set lock_all(const std::vector<std::filesystem::path>& paths,
                                            const lock_options& options = {});

}  // namespace lockkit::inline v0
