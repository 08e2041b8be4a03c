#pragma once
/// Owner and extended attributes, ACLs among them. Conventions as in file.hpp.

#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include "private_api.hpp"

namespace lockkit::platform {

/// fchown's "leave it".
inline constexpr unsigned same_owner = ~0U;
LOCKKIT_PRIVATE_API void change_owner(int fd, unsigned user, unsigned group, std::error_code& ec) noexcept;

/// Names of the open file's extended attributes; none where the filesystem has no such thing.
[[nodiscard]] LOCKKIT_PRIVATE_API std::vector<std::string> attribute_names(int fd, std::error_code& ec);
[[nodiscard]] LOCKKIT_PRIVATE_API std::string attribute(int fd, const char* name, std::error_code& ec);
LOCKKIT_PRIVATE_API void set_attribute(int fd, const char* name, const std::string& value,
                                       std::error_code& ec) noexcept;
/// One that is not there counts as removed.
LOCKKIT_PRIVATE_API void remove_attribute(int fd, const char* name, std::error_code& ec) noexcept;

}  // namespace lockkit::platform
