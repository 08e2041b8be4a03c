#pragma once
/// Who holds a lock: the identity of a process, as it is written into lock files for people and other programs.
///
/// A process is named by host, boot, PID namespace, PID and the inode of its pidfd, which is unique for a boot since
/// Linux 6.9; before that its start time takes that place. Nothing of this decides exclusion: the kernel's lock does.

#include <chrono>
#include <cstdint>
#include <string>

#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// Grows with each change of owner of one lock, so that a resource can refuse a holder that has been overtaken.
struct fencing_token {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const fencing_token&, const fencing_token&) = default;
};

/// Plain data. Fields that are not known are empty or zero: a shell script's lock file names a PID at most.
struct owner {
  std::int32_t pid = 0;                           ///< in the owner's PID namespace
  std::string host;                               ///< host name, as gethostname() gives it
  std::string boot_id;                            ///< /proc/sys/kernel/random/boot_id, 32 hexadecimal digits
  std::uint64_t pid_namespace = 0;                ///< inode of /proc/self/ns/pid
  std::uint64_t pidfd_inode = 0;                  ///< 0 before Linux 6.9
  std::uint64_t start_time = 0;                   ///< clock ticks since boot, field 22 of /proc/PID/stat
  fencing_token token;                            ///< of this hold; 0 for locks that lockkit did not take
  std::chrono::system_clock::time_point since{};  ///< wall time of the acquisition, for people
  std::string command;                            ///< up to 15 bytes of the program's name
  std::string label;                              ///< what the holder calls itself; may have been shortened

  /// "pid 4711 on host web1 (nightly-sync, label), for 12.3 s": for messages.
  [[nodiscard]] LOCKKIT_API std::string describe() const;
};

/// Whether the process is this one, alive, gone, or can't be judged from here.
enum class liveness { alive, dead, unknown };

/// The calling process. `label` and `token` are empty. Costs some system calls the first time in each process.
[[nodiscard]] LOCKKIT_API owner current_process();

/// Judges by boot id, namespace, PID, and pidfd inode or start time. `unknown` for another host or namespace, and
/// for records without enough identity while a process with that PID exists.
[[nodiscard]] LOCKKIT_API liveness probe(const owner& process);

}  // namespace lockkit::inline v0
