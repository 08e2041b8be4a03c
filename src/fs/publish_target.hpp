#pragma once
/// From a path to the directory, held open, and the name in it.

#include <filesystem>
#include <string>
#include <system_error>

#include <lockkit/staged_file.hpp>

#include "platform/unique_fd.hpp"

namespace lockkit::detail {

struct publish_target {
  platform::unique_fd directory;  ///< O_PATH if it can be searched but not read
  std::string name;
};

/// errc::invalid_name for a path that is empty, holds NUL, or ends in '/', "." or ".."; ENAMETOOLONG for a last
/// component that no filesystem takes. Nothing is looked up.
[[nodiscard]] LOCKKIT_PRIVATE_API std::error_code check_file_path(const std::filesystem::path& path);

/// A directory to work in: for reading, or O_PATH if that is not permitted.
[[nodiscard]] LOCKKIT_PRIVATE_API platform::unique_fd open_directory(int base, const char* path,
                                                                     std::error_code& ec) noexcept;

/// Where publishing to `path` takes place. Never follows more than 40 links, nor those that the kernel would not
/// follow.
[[nodiscard]] LOCKKIT_PRIVATE_API publish_target find_target(const std::filesystem::path& path, symlink_policy symlinks,
                                                             std::error_code& ec);

}  // namespace lockkit::detail
