#pragma once
/// Names to the disk: a file's in its directory, and those of the directories above.
///
///  1. A name is safe when the directory that received it was synced. A directory that can't be: each file's own sync
///     carries its new name along on local filesystems.
///  2. Whether a directory's own name is on the disk, nobody can tell: another process may have made it a moment ago. So
///     all of them are synced, from the file's up to the root of the mount, each one after what lies in it.
///  3. What is above the root of a mount is no business of this filesystem.
///  4. One that may not be opened for reading can't be synced (O_PATH, EBADF). What lies in it was.

#include <cstdint>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <lockkit/publish_options.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// The last step of publishing, for durable and durable_path. All of `files` have got their names in `directory`. On error
/// errc::published_not_durable.
LOCKKIT_PRIVATE_API void sync_names(int directory, std::span<const int> files, durability level, std::error_code& ec);
inline void sync_names(int directory, int file, durability level, std::error_code& ec) {
  sync_names(directory, std::span(&file, 1), level, ec);
}

/// The directories above several, each one synced once. Used within one step, so that no inode's number is another's.
class LOCKKIT_PRIVATE_API path_sync {
 public:
  void sync_above(int directory, std::error_code& ec);

 private:
  [[nodiscard]] bool is_known(std::pair<std::uint64_t, std::uint64_t> inode) const noexcept;

  std::vector<std::pair<std::uint64_t, std::uint64_t>> synced_;  // device and number
};

}  // namespace lockkit::detail
