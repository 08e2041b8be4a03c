#pragma once
/// Directories made while others make, remove and use the same ones.

#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/retry.hpp>

namespace lockkit::inline v0 {

struct directory_options {
  std::optional<std::filesystem::perms> mode{};  ///< exactly this, for directories that the call made; unset: umask
  retry_policy retries{};                        ///< for passing errors of network filesystems
};

/// Makes `path` and its missing parents; true if this call made the last one, false if it was there. A directory that
/// others remove meanwhile is made again, at most 32 times. An existing directory's mode is left alone.
/// errc: std::errc::not_a_directory when something else stands in the way.
LOCKKIT_API bool ensure_directory(const std::filesystem::path& path, const directory_options& options = {});
LOCKKIT_API bool ensure_directory(const std::filesystem::path& path, const directory_options& options,
                                  std::error_code& ec);

/// The same, then proves that files can be made, written, and removed there; leaves nothing behind, also when it is
/// killed midway (on filesystems with O_TMPFILE; else a leftover that sweep_staged removes). errc::not_writable.
LOCKKIT_API bool ensure_writable_directory(const std::filesystem::path& path, const directory_options& options = {});
LOCKKIT_API bool ensure_writable_directory(const std::filesystem::path& path, const directory_options& options,
                                           std::error_code& ec);

/// Makes a new directory `<prefix>YYYYMMDDTHHMMSSZ-<26 base-32 characters, 128 random bits>` in `parent` (which is made
/// if missing) and returns its path. Never one that existed before. The time is for people, UTC.
[[nodiscard]] LOCKKIT_API std::filesystem::path create_unique_directory(const std::filesystem::path& parent,
                                                                        std::string_view prefix = {},
                                                                        const directory_options& options = {});
[[nodiscard]] LOCKKIT_API std::filesystem::path create_unique_directory(const std::filesystem::path& parent,
                                                                        std::string_view prefix,
                                                                        const directory_options& options,
                                                                        std::error_code& ec);

}  // namespace lockkit::inline v0
