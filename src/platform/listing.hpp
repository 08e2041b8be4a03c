#pragma once
/// Looking into directories through descriptors, however deep they lie. Conventions as in file.hpp.

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include "private_api.hpp"

namespace lockkit::platform {

/// The names in the open directory, without "." and "..", in the order of the bytes.
[[nodiscard]] LOCKKIT_PRIVATE_API std::vector<std::string> names_in(int directory, std::error_code& ec);

/// Everything about an inode that changes when its content does.
struct entry_state {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;  ///< of the content
  std::int64_t changed_ns = 0;   ///< of the content or of the attributes; nobody can set it back
  unsigned mode = 0;
  [[nodiscard]] constexpr bool is_directory() const noexcept { return S_ISDIR(mode); }
  [[nodiscard]] constexpr bool is_regular() const noexcept { return S_ISREG(mode); }
};

enum class freshness {
  cached,       ///< what this kernel believes
  from_server,  ///< network filesystems: asked anew
};

/// Does not follow a symbolic link in the last component. An empty name means the descriptor itself.
[[nodiscard]] LOCKKIT_PRIVATE_API entry_state state_at(int directory, const char* name, freshness wanted,
                                                       std::error_code& ec) noexcept;

/// A shell pattern (fnmatch); a leading dot is a character like others.
[[nodiscard]] LOCKKIT_PRIVATE_API bool matches(const char* pattern, const char* name) noexcept;

}  // namespace lockkit::platform
