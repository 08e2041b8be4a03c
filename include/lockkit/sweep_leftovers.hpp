#pragma once
/// sweep_leftovers: removes from a directory what lockkit left there and nobody needs: files of crashed processes, and the
/// guards of locks that are not in use.

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

enum class leftover_kind {
  guard,             ///< the hidden file beside a lock that nobody holds or waits for
  lock_file,         ///< of a holder that is dead
  staged_file,       ///< written aside by a process that is dead (see sweep_staged), or the beginnings of a lock file
  staged_directory,  ///< filled aside by a process that is dead, or replaced, and read by nobody any more
};

struct leftover {
  std::filesystem::path path;
  leftover_kind kind = leftover_kind::guard;
};

struct sweep_options {
  bool dry_run = false;                                        ///< only tell
  std::chrono::seconds minimum_age = std::chrono::minutes(1);  ///< as in sweep_staged
};

/// In `directory`, not below it; what lockkit did not write is never touched, nor is anything that somebody holds or waits
/// for: each file is removed while its kernel lock is held, and only if it still has its name. Whoever comes to such a
/// lock at the same time starts anew with a new guard. Not so a program that has the lock file open from an earlier hold
/// and locks it (flock(1), record locks) afterwards: it would be in beside the next holder, so sweep no directory where
/// such programs are at work. Whole records of other boots on network filesystems are left alone,
/// as are files that this process may not lock or remove. A removed guard takes the lock's fencing tokens back to the
/// clock: they still grow, unless the clock was set back.
/// Returns what was (dry run: would be) removed, in the order of the names. An error with one does not keep it from the
/// others.
[[nodiscard]] LOCKKIT_API std::vector<leftover> sweep_leftovers(const std::filesystem::path& directory,
                                                                const sweep_options& options = {});
[[nodiscard]] LOCKKIT_API std::vector<leftover> sweep_leftovers(const std::filesystem::path& directory,
                                                                const sweep_options& options, std::error_code& ec);

}  // namespace lockkit::inline v0
