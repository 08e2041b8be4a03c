#pragma once
/// An archive of the cache, unpacked into a directory that is there whole or not at all.

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include <lockkit/mirror_cache.hpp>

namespace dataset_cache {

struct unpack_options {
  bool overwrite = false;   ///< a directory with other content is replaced
  std::uint64_t limit = 0;  ///< bytes that all members may have together
  std::stop_token stop{};
};

enum class unpack_result { unpacked, already_there };

/// tar (also compressed: gz, xz, zst, bz2) and zip, told apart by their content. Which archive a directory was unpacked from is
/// in a file of that directory, `.dataset_cache`; if that names this one, nothing is done. An empty directory may stand
/// there; anything else is an error (lockkit::errc::destination_differs), or is replaced if that is asked for and it is a
/// directory. Throws failure for an archive that is damaged, too large, or would reach out of its directory.
unpack_result unpack(const lockkit::cache_entry& archive, const std::filesystem::path& directory,
                     const unpack_options& options);

/// The file's name without .tar.gz, .tgz, .zip and the like.
[[nodiscard]] std::string without_archive_suffix(const std::string& file_name);

}  // namespace dataset_cache
