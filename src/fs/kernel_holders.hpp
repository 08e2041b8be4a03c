#pragma once
/// Who holds a kernel lock, by the kernel's own tables: /proc/PID/fd for those that have the inode open,
/// /proc/PID/fdinfo for the lock itself. A child that inherited the descriptor shows up too. Processes of other users are
/// visible to root only, those of other PID namespaces may be invisible.

#include <cstdint>
#include <vector>

#include <lockkit/owner.hpp>

#include "platform/file.hpp"

namespace lockkit::detail {

/// PIDs, sorted.
struct lock_parties {
  std::vector<std::int32_t> holders;
  std::vector<std::int32_t> waiters;  ///< marked as present (kernel_lock.hpp), and not holding
};

/// Looks at every process: for messages, not for deciding.
[[nodiscard]] lock_parties find_parties(const struct stat& inode);

/// The process that has a POSIX record lock on the file's content; nobody (pid 0) if none is seen.
[[nodiscard]] owner find_record_locker(const char* path);

/// Who holds a file_mutex: its last exclusive owner, if that still holds it, else one of the readers.
[[nodiscard]] owner find_mutex_holder(const char* path, bool& foreign);

}  // namespace lockkit::detail
