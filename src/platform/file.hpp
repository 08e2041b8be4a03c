#pragma once
/// Descriptors: open, read, write, attributes, syncing. All close-on-exec, EINTR handled, errors through `ec`, which is
/// cleared on success. `directory` is a descriptor or AT_FDCWD.

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

#include "unique_fd.hpp"

namespace lockkit::platform {

/// openat with O_CLOEXEC | O_NOCTTY added.
[[nodiscard]] LOCKKIT_PRIVATE_API unique_fd open_at(int directory, const char* name, int flags, unsigned mode,
                                                    std::error_code& ec) noexcept;
/// A second description of the same inode, through /proc/self/fd.
[[nodiscard]] LOCKKIT_PRIVATE_API unique_fd reopen(int fd, int flags, std::error_code& ec) noexcept;
/// Closes and reports what close() says (a delayed write error on network filesystems).
LOCKKIT_PRIVATE_API void close_checked(unique_fd& fd, std::error_code& ec) noexcept;

/// One call each; may move less than asked. 0 from the readers: end of file.
LOCKKIT_PRIVATE_API std::size_t read_some(int fd, std::span<std::byte> into, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API std::size_t pread_some(int fd, std::span<std::byte> into, std::uint64_t offset,
                                           std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API std::size_t write_some(int fd, std::span<const std::byte> from, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API std::size_t pwrite_some(int fd, std::span<const std::byte> from, std::uint64_t offset,
                                            std::error_code& ec) noexcept;
/// Until everything is moved, or an error. A write that moves nothing is ENOSPC.
LOCKKIT_PRIVATE_API void write_all(int fd, std::span<const std::byte> from, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void pwrite_all(int fd, std::span<const std::byte> from, std::uint64_t offset,
                                    std::error_code& ec) noexcept;
/// Fills `into` as far as the file goes; returns how far.
LOCKKIT_PRIVATE_API std::size_t pread_all(int fd, std::span<std::byte> into, std::uint64_t offset,
                                          std::error_code& ec) noexcept;
/// A small file as text, at most `limit` bytes of it. Never follows a symbolic link in the last component, never
/// blocks.
LOCKKIT_PRIVATE_API std::string read_small_file(int directory, const char* name, std::size_t limit,
                                                std::error_code& ec);

LOCKKIT_PRIVATE_API struct stat status(int fd, std::error_code& ec) noexcept;
/// Does not follow a symbolic link in the last component.
LOCKKIT_PRIVATE_API struct stat status_at(int directory, const char* name, std::error_code& ec) noexcept;
/// Whether this process may read and write it: EACCES, EROFS, ...
LOCKKIT_PRIVATE_API void check_access(int directory, const char* name, std::error_code& ec) noexcept;
[[nodiscard]] constexpr bool same_inode(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// chattr +a: files can be made in it and not removed. False where the filesystem has no such attribute.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_append_only(int fd, std::error_code& ec) noexcept;

LOCKKIT_PRIVATE_API void sync_file(int fd, std::error_code& ec) noexcept;
/// Begins to write the file's data to the disk and does not wait. A hint: what fails here, a later sync reports.
LOCKKIT_PRIVATE_API void start_writeback(int fd) noexcept;
/// What close() would do with data that a network filesystem still holds back: sends it and reports how that went,
/// while the descriptor stays open. Nothing happens on local filesystems.
LOCKKIT_PRIVATE_API void flush_to_server(int fd, std::error_code& ec) noexcept;
/// Asks for blocks early, so that a full disk shows at the start. Not supported counts as success.
LOCKKIT_PRIVATE_API void reserve(int fd, std::uint64_t bytes, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void resize(int fd, std::uint64_t bytes, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void change_mode(int fd, unsigned mode, std::error_code& ec) noexcept;
/// The mode of what has that name, never of what a link leads to.
LOCKKIT_PRIVATE_API void change_mode_at(int directory, const char* name, unsigned mode, std::error_code& ec) noexcept;
/// Everything of the filesystem that `fd` lies in.
LOCKKIT_PRIVATE_API void sync_filesystem(int fd, std::error_code& ec) noexcept;
/// Reads through this description no longer store access times. Only the file's owner may ask; for others, and where
/// the filesystem does not care, nothing changes.
LOCKKIT_PRIVATE_API void ignore_access_times(int fd, int flags) noexcept;
/// Modification time to now.
LOCKKIT_PRIVATE_API void touch(int fd, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API std::uint64_t seek_start(int fd, std::error_code& ec) noexcept;

/// Whole-file reflink, and nothing else: a range of length 0 would mean "to the end".
LOCKKIT_PRIVATE_API void clone_file(int from, int to, std::error_code& ec) noexcept;
/// Copies the whole of `from` to `to` (both from their offset 0), in the kernel where it can; the copy may share blocks.
LOCKKIT_PRIVATE_API std::uint64_t copy_file(int from, int to, std::error_code& ec);
/// The same by reading and writing: shares nothing.
LOCKKIT_PRIVATE_API std::uint64_t copy_by_reading(int from, int to, std::error_code& ec);
/// True if no writable description of the file exists anywhere; clear code and false if one does; a code where the
/// kernel can't tell. `fd` must be read-only.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_sealed(int fd, std::error_code& ec) noexcept;

}  // namespace lockkit::platform
