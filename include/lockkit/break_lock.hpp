#pragma once
/// break_lock: removes a lock file whose holder is dead, for a person who asked for it. lockkit itself never needs this:
/// a dead lockkit holder is succeeded by the next acquisition. Scripts do.
///
///   what stands there                                     break_lock               by force
///   nothing                                               nothing_there            nothing_there
///   lockkit's, holder dead                                broken                   broken
///   lockkit's, holder alive or not to be judged from here refused                  broken: see below
///   a script's, PID of a process that lives               refused                  broken
///   a script's, PID of no process, same host or none said broken, if local¹        broken
///   a script's, another host's; or without a PID          refused²                 broken
///   a file_mutex's file; a directory, a link, ...         refused                  refused
///   ¹ on filesystems of this machine, and if nobody has a kernel lock on the file.
///   ² without any content: broken once it is as old as `empty_age`, which the caller must name.
///
/// By force, a living holder is not stopped and not told: lock and guard are removed, newcomers get in beside it, and it
/// learns of it only when it looks (lock_file::verify, lock_file::lost). End that process first.
/// A PID is the writer's word: a script in another PID namespace (a container) that shares the directory may live though
/// no process here has its number. And a script that removes and makes its file anew in the instant between the last look
/// and the removal loses the new one: unlinking by name can't compare.

#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>

#include <lockkit/export.hpp>
#include <lockkit/inspect.hpp>

namespace lockkit::inline v0 {

struct break_options {
  bool force = false;
  /// How long, by the wall clock, an empty file must have been left alone to be taken for a crashed script's; unset: it
  /// never is.
  std::optional<std::chrono::nanoseconds> empty_age{};
};

enum class break_result {
  nothing_there,  ///< nothing to break
  broken,         ///< the lock file is gone
  refused,        ///< it is held, or may be; nothing was changed
};

struct break_report {
  break_result result = break_result::refused;
  lock_inspection found;  ///< what stood there when it was decided
};

[[nodiscard]] LOCKKIT_API break_report break_lock(const std::filesystem::path& lock_path,
                                                  const break_options& options = {});
[[nodiscard]] LOCKKIT_API break_report break_lock(const std::filesystem::path& lock_path, const break_options& options,
                                                  std::error_code& ec);

}  // namespace lockkit::inline v0
