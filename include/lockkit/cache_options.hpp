#pragma once
/// What a mirror_cache is told when it is made.

#include <filesystem>
#include <vector>

#include <lockkit/staged_file.hpp>

namespace lockkit::inline v0 {

/// What a cached content must show to be a hit. One that fails is a miss for everybody: it is taken out of the cache (or,
/// while somebody has a lease on it, out of the way of the next fetch), so that the next fetch heals it.
enum class hit_check {
  size,  ///< a regular file of the recorded size; costs nothing. Finds lost and truncated contents
  stat,  ///< and the inode and modification time that it had when this object last hashed it; if not, it is hashed. Finds
         ///< what was written through a hard link, at the cost of hashing each content once per object
  content,  ///< hashed for every hit. Finds everything, also what a disk gave back wrongly
};

struct cache_options {
  std::filesystem::perms mode = std::filesystem::perms::owner_all;  ///< of the cache's directories
  durability level = durability::consistent;                        ///< of contents and records
  hit_check check = hit_check::size;
  /// Directories of other caches, asked in this order for what this one has not. Nothing in them is ever written or
  /// removed, not even the time of use; a damaged content there is passed over. One that is missing or can't be read has
  /// nothing.
  std::vector<std::filesystem::path> layers{};
};

}  // namespace lockkit::inline v0
