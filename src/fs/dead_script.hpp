#pragma once
/// What a script left at a lock's name when it died: judged only where the caller chose foreign_policy::reclaim_dead.
///
///  1. A file that holds a PID and nothing else: left behind when no process has that PID, neither here nor in a PID
///     namespace below ours that /proc shows. A bare number does not say whose it is; that it was made on this host,
///     and not in a namespace beside or above ours, is the caller's word.
///     A zombie is nobody; a process that can't be looked at may be anybody.
///  2. A number that was given to another process meanwhile counts as its owner: the lock stays. Telling the two apart
///     would need the file's times, which follow a clock that can be set.
///  3. An empty file names nobody: left behind once neither its content nor its name was touched for the time that the
///     caller gives (the later of mtime and ctime: mtime alone can be set back, by cp -p too).
///  4. Anything else says more than is understood here, and stays.

#include <cstdint>
#include <string_view>

#include <lockkit/lock_options.hpp>

#include "platform/private_api.hpp"

struct stat;

namespace lockkit::detail {

/// Rule 1 of a number.
[[nodiscard]] bool is_nobodys(std::int32_t pid);

/// `content`: the file's beginning, up to a record's size. False when in doubt.
[[nodiscard]] bool is_left_by_dead_script(std::string_view content, const struct stat& file,
                                          const lock_options& options);

}  // namespace lockkit::detail
