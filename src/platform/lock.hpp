#pragma once
/// Kernel locks. flock excludes open file descriptions from each other, in and across processes, and is released when
/// the last copy of a description closes, also by death. OFD record locks do the same for single bytes of a file; among
/// lockkit's own they are marks of presence and of life, never exclusion. They also keep out programs that use POSIX's
/// record locks.

#include <cstdint>
#include <optional>
#include <system_error>
#include <vector>

#include "private_api.hpp"

namespace lockkit::platform {

enum class lock_mode { exclusive, shared };

/// False with a clear code: somebody else holds it.
[[nodiscard]] LOCKKIT_PRIVATE_API bool try_flock(int fd, lock_mode mode, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void unlock_flock(int fd) noexcept;

/// A byte far beyond the file's end, read-locked by everybody who waits.
inline constexpr std::uint64_t presence_byte = std::uint64_t{1} << 40U;
LOCKKIT_PRIVATE_API void set_presence(int fd, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void clear_presence(int fd) noexcept;
/// Whether another description has marked its presence. True when it can't be told.
[[nodiscard]] LOCKKIT_PRIVATE_API bool others_present(int fd) noexcept;

/// Bytes of a file, which need not exist.
struct byte_range {
  std::uint64_t first;
  std::uint64_t count;
};
/// Like the presence mark on another byte: any number of descriptions may have it.
LOCKKIT_PRIVATE_API void share_byte(int fd, std::uint64_t byte, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void unlock_bytes(int fd, byte_range range) noexcept;
/// What another description than `fd`'s has locked in there, with adjacent bytes that it has locked likewise; any one of
/// them if there are several.
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<byte_range> find_locked(int fd, byte_range range,
                                                                        std::error_code& ec) noexcept;

/// A file's content: every byte that could hold some, and none of those that carry marks.
inline constexpr std::uint64_t content_bytes = presence_byte - 4096;
/// All of it. What other programs lock with fcntl, lockf or Boost's
/// file_lock lies in it. False with a clear code: another description, or another process's record lock, has part of it.
[[nodiscard]] LOCKKIT_PRIVATE_API bool try_lock_content(int fd, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void unlock_content(int fd) noexcept;
/// Who has part of it locked: a PID, -1 if the kernel names nobody (another description of lockkit's, a process of another
/// PID namespace), 0 if nobody has, or if it can't be told.
[[nodiscard]] LOCKKIT_PRIVATE_API int content_locker(int fd) noexcept;

/// A byte that its owner keeps locked for as long as it lives. False with a clear code: another description has it.
[[nodiscard]] LOCKKIT_PRIVATE_API bool try_lock_byte(int fd, std::uint64_t byte, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void unlock_byte(int fd, std::uint64_t byte) noexcept;
/// Whether another description than `fd`'s has it locked. True when it can't be told.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_byte_locked(int fd, std::uint64_t byte) noexcept;
/// The same for all bytes together.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_any_byte_locked(int fd) noexcept;
/// Which bytes of a file have such a lock, when only its number is left: by the kernel's list of all locks. The devices
/// in that list are not stat's on every filesystem, so the file is known by its inode's number alone.
[[nodiscard]] LOCKKIT_PRIVATE_API std::vector<std::uint64_t> list_locked_bytes(std::uint64_t inode,
                                                                               std::error_code& ec);

}  // namespace lockkit::platform
