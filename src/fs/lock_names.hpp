#pragma once
/// The names that belong to one lock path.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// Absolute, so that a later chdir of the process does not move the lock.
struct lock_names {
  std::filesystem::path path;       ///< the public lock file P
  std::filesystem::path directory;  ///< where it lies
  std::filesystem::path guard;      ///< `.<name>.guard`, or with a shortened name and a hash where that is too long

  /// The own-file plant's temporary (lock_file.cpp, rule 6). Only the holder of that guard uses it.
  [[nodiscard]] std::filesystem::path own_file(std::uint64_t guard_inode, unsigned user) const;
};

/// errc::invalid_name for empty paths, NUL bytes, trailing slashes, "." and ".."; also for `.x.guard`, which is the
/// guard of another lock. std::errc::filename_too_long beyond what one directory entry holds.
[[nodiscard]] LOCKKIT_PRIVATE_API lock_names name_lock(const std::filesystem::path& path, std::error_code& ec);

/// `.<name><suffix>`, shortened and with a hash where a directory entry does not hold it.
[[nodiscard]] std::string hidden_name(const std::string& name, const std::string& suffix);

/// `.x.guard`
[[nodiscard]] bool is_guard_name(std::string_view name) noexcept;

/// The same checks without the guard's: for a file_mutex.
[[nodiscard]] LOCKKIT_PRIVATE_API std::filesystem::path name_mutex(const std::filesystem::path& path,
                                                                   std::error_code& ec);

}  // namespace lockkit::detail
