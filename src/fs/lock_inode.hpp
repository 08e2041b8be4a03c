#pragma once
/// Opening the inode that the kernel's lock is taken on: a lock_file's guard, or a file_mutex's file.
///
/// Rules, each with its reason (numbers 1 and 2 of the protocol in lock_file.cpp).
///  a. An existing file is opened without O_CREAT: with fs.protected_regular, O_CREAT on another user's file in a sticky
///     directory is refused even where opening it is allowed.
///  b. O_RDWR: NFS needs a writable descriptor for an exclusive lock. O_NOFOLLOW: a symbolic link there is an attack or
///     a mistake. O_NONBLOCK: a FIFO must not block.
///  c. A file with an explicit mode, or in a group's directory, appears with its final mode: made unnamed, then linked.
///     Between a create and a chmod another user's open would fail.
///  d. Only regular files, and only ours: somebody's data may have been linked to that name, and we are about to write.
///  e. Without access times, where the kernel lets us: each acquisition reads the record, and storing when would be one
///     more inode update to journal.

#include <filesystem>
#include <system_error>

#include <lockkit/lock_options.hpp>

#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/inode.hpp"

namespace lockkit::detail {

struct lock_inode {
  platform::unique_fd fd;
  platform::inode_facts facts{};
  platform::filesystem_kind kind = platform::filesystem_kind::local;
};

/// Opens or makes the file, checks a to d up to the content, and that the filesystem's locks may be trusted.
[[nodiscard]] LOCKKIT_PRIVATE_API lock_inode open_lock_inode(const std::filesystem::path& path,
                                                             const lock_options& options, std::error_code& ec);

/// Before anything is made in that directory: errc::unsupported_filesystem where `options` refuse a server's filesystem.
/// A missing directory is an error, too.
void refuse_remote(const std::filesystem::path& directory, const lock_options& options, std::error_code& ec) noexcept;

/// Gives a file that was made in that directory the mode that `options` ask for, if it can't have it already: rule c.
LOCKKIT_PRIVATE_API void set_mode_of_made(int fd, const std::filesystem::path& directory, const lock_options& options,
                                          std::error_code& ec) noexcept;

/// Makes a file that did not exist, O_EXCL, open for reading and writing, with the mode that `options` ask for.
[[nodiscard]] LOCKKIT_PRIVATE_API platform::unique_fd create_lock_inode(const std::filesystem::path& path,
                                                                        const lock_options& options,
                                                                        std::error_code& ec);

}  // namespace lockkit::detail
