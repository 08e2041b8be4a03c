#pragma once
/// Names: link, rename, remove, make directories. Conventions as in file.hpp.

#include <string>
#include <system_error>

#include "private_api.hpp"

namespace lockkit::platform {

/// Gives the open file a (further) name: linkat with AT_EMPTY_PATH, or through /proc/self/fd where the kernel is too
/// old for that. EEXIST is exclusive creation's. ENOENT with a link count above 0 means that neither way exists here.
LOCKKIT_PRIVATE_API void link_descriptor(int fd, int directory, const char* name, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void link_name(int from_directory, const char* from, int to_directory, const char* to,
                                   std::error_code& ec) noexcept;
/// Does not follow symbolic links; replaces atomically.
LOCKKIT_PRIVATE_API void rename_replace(int directory, const char* from, const char* to, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void rename_replace(int from_directory, const char* from, int to_directory, const char* to,
                                        std::error_code& ec) noexcept;
/// EEXIST if `to` exists; EINVAL, ENOSYS or EOPNOTSUPP where the filesystem can't do it.
LOCKKIT_PRIVATE_API void rename_if_absent(int directory, const char* from, const char* to,
                                          std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void rename_if_absent(int from_directory, const char* from, int to_directory, const char* to,
                                          std::error_code& ec) noexcept;
/// Each gets the other's name, in one step. EINVAL, ENOSYS or EOPNOTSUPP where the filesystem can't do it.
LOCKKIT_PRIVATE_API void rename_exchange(int directory, const char* one, const char* other,
                                         std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void unlink_name(int directory, const char* name, std::error_code& ec) noexcept;
/// What a symbolic link says.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string read_link(int directory, const char* name, std::error_code& ec);
/// A symbolic link that says `text`. EEXIST if anything has that name.
LOCKKIT_PRIVATE_API void make_symlink(const char* text, int directory, const char* name, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void make_directory(int directory, const char* name, unsigned mode, std::error_code& ec) noexcept;
LOCKKIT_PRIVATE_API void remove_directory(int directory, const char* name, std::error_code& ec) noexcept;

}  // namespace lockkit::platform
