#pragma once
/// Options and notices shared by lock_file and file_mutex, and the exception of their lock().

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// For lock_options::timeout: wait for ever.
inline constexpr std::chrono::nanoseconds no_timeout = std::chrono::nanoseconds::max();

/// What to do with filesystems whose locks live on a server (NFS, SMB, FUSE, Ceph, ... and every unknown one).
enum class remote_policy {
  refuse,        ///< errc::unsupported_filesystem
  trust_server,  ///< lock there; exclusive only while the server's lease lives. Probed first: fake locks are refused
};

/// What becomes of a lock file that a script or another library left behind when it died. It knows no kernel lock, so its
/// file says nothing about its life but a PID at most.
enum class foreign_policy {
  respect,  ///< it is held, until somebody removes it
  /// A file that holds the PID of no process, and nothing else, is removed (reclaim_empty_after: an empty one, too). Choose
  /// it only where every script that uses the lock runs on this host, and in this process's PID namespace or below it: the
  /// number says nothing about that. Live scripts' locks are never touched; a number that another process has by now counts
  /// as live, and on a server's filesystem nothing is removed. A script that removes stale locks by name may still remove
  /// one that was taken since it looked.
  reclaim_dead,
};

/// Who goes in next. Whoever the kernel lets in first, in either case: a holder that dies is succeeded at once.
enum class wait_order {
  any,  ///< as it comes: the quickest hand-on, and no promise (a file_mutex alternates between writers and readers)
  /// In the order in which the waits began, among those who ask for it. A waiter that dies or gives up loses its place;
  /// one that is stopped (SIGSTOP), is busy in its on_held_longer_than, or died and left a child that it forked
  /// meanwhile, or since the object's first use, keeps it and holds up all behind it: that is what strict means. Who does
  /// not ask for it (another program, flock(1), a script) goes in whenever the lock is free. Threads that share one object
  /// count as one, in no order; who waits for a script's file queues up anew when it is told something, and who waits for
  /// a record lock (keep_out::everyone) each time that it looks. Local filesystems only: elsewhere as `any`. One more
  /// system call.
  first_come,
};

/// Whom a held lock_file keeps out, besides lockkit's own. Three families of lockers do not see one another's locks.
enum class keep_out {
  /// Who takes a file's existence for a lock (set -C, O_EXCL, SoftFileLock, dotlockfile), and who locks the lock file in
  /// the kernel by flock (flock(1), FileLock, portalocker, zc.lockfile).
  existence_and_flock,
  /// Who uses POSIX's record locks, too (fcntl, lockf, fasteners, Boost's file_lock). While such a program has the lock
  /// file locked, which it opened during an earlier hold, lockkit's holder waits for it; others of lockkit, who did not
  /// choose this, do not. errc::unsupported_filesystem where it can't be had: on a server, and where there are neither
  /// hard links nor RENAME_NOREPLACE. A program that asks for the whole file is also kept out while lockkit's processes
  /// wait for the lock. Where the lock file is no link of the guard (no hard links; another user's guard in a sticky
  /// directory), each hold has an inode of its own: one that still has an earlier hold's open can lock that one.
  everyone,
};

/// A wait has begun. Passed once per wait to lock_options::on_wait, on the waiting thread, before it sleeps.
struct wait_notice {
  const std::filesystem::path& path;
  const owner& holder;  ///< as far as its record says; may have changed by the time it is read
  bool foreign;         ///< held by something that is not lockkit: a script, another library, a person's file
  /// For on_held_longer_than: since when this waiter has seen that holder in its way.
  std::chrono::nanoseconds in_the_way{};
};

/// Says, while a wait goes on, that one holder has been in its way for longer than `after`: once for each holder, on the
/// waiting thread, by the monotonic clock, counted from when this waiter first saw it. Holders are told apart by their
/// tokens (those who share a file_mutex count as one), files of scripts by their inode and its last change. `call` may
/// throw: the wait ends and the exception passes through. While it runs, the lock is not waited for.
struct age_warning {
  std::chrono::nanoseconds after{};
  std::function<void(const wait_notice&)> call{};
};

struct lock_options {
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  ///< of lock(); zero tries once; or no_timeout
  bool create_parents = false;                                  ///< make missing directories of the path (0777, umask)
  std::optional<std::filesystem::perms>
      mode{};           ///< of files made; unset: umask, and group-writable in a group's directory
  std::string label{};  ///< shown to those who wait; shortened to what the record can hold
  remote_policy remote = remote_policy::refuse;
  foreign_policy foreign = foreign_policy::respect;
  keep_out excludes = keep_out::existence_and_flock;  ///< of a lock_file
  /// Of a lock_file: release removes the hidden guard, too, unless somebody waits: for locks named by a job, a key, a day.
  /// Costs a file made and removed each time, and tokens then grow with the wall clock only. Others on the same path need
  /// not choose the same. But who locks the file itself (flock(1), record locks) would lock a removed one, and be in beside
  /// the next holder: no such programs on that path, and no holders with keep_out::everyone beside ephemeral ones without.
  /// The guard stays on a server's filesystem, with keep_out::everyone, and where the process may not remove it; a crash,
  /// or a waiter that gives up in the instant of the release, leaves it to the next user of the path, or to
  /// sweep_leftovers.
  bool ephemeral_guard = false;
  /// With reclaim_dead: an empty lock file that was not touched for so long is removed. By the wall clock, so that a
  /// clock that is set forward ages it: name a time that no script holds it for. Unset: never.
  std::optional<std::chrono::nanoseconds> reclaim_empty_after{};
  std::function<void(const wait_notice&)> on_wait{};  ///< may throw: the wait ends and the exception passes through
  age_warning on_held_longer_than{};
  wait_order order = wait_order::any;
};

/// Thrown by lock() when the lock was not had in time. what() names path, holder and how long it was waited for.
class LOCKKIT_API lock_timeout : public error {
 public:
  lock_timeout(std::filesystem::path path, lockkit::owner holder, std::chrono::nanoseconds waited,
               bool foreign = false);
  ~lock_timeout() override;
  lock_timeout(const lock_timeout&) = default;
  lock_timeout& operator=(const lock_timeout&) = default;

  /// The holder when the wait ended, as far as its record says.
  [[nodiscard]] const owner& holder() const noexcept { return holder_; }
  /// Held by something that is not lockkit.
  [[nodiscard]] bool foreign() const noexcept { return foreign_; }

 private:
  owner holder_;
  bool foreign_;
};

}  // namespace lockkit::inline v0
