#pragma once
/// How a mirror of a cached content is made.

#include <filesystem>
#include <optional>

#include <lockkit/staged_file.hpp>

namespace lockkit::inline v0 {

enum class mirror_link {
  isolated,   ///< an independent, writable file: cloned where the filesystem can, else copied. A hard link of the cache
              ///< that stands at the destination counts as other content
  copy,       ///< an independent, writable file that shares no blocks with the cache, not even until it is written
  hard_link,  ///< shares the cache's bytes, read-only; falls back to isolated where linking is impossible
};

enum class mirror_verify {
  none,
  content,  ///< the mirror is read back and hashed before it gets its name. A clone or a copy by the kernel that is wrong
            ///< is made anew by reading and writing; a content that is itself damaged is errc::integrity_mismatch
};

struct mirror_options {
  mirror_link link = mirror_link::isolated;
  bool overwrite = false;  ///< replace a file with other content, or a symbolic link (itself, not what it leads to)
  durability level = durability::consistent;
  bool create_parents = true;
  mirror_verify verify = mirror_verify::none;
  std::optional<std::filesystem::perms>
      permissions{};  ///< of an isolated mirror that is made; unset: 0666 under the umask
};

enum class mirror_result {
  unchanged,  ///< the destination had this content already: nothing was touched
  cloned,     ///< shares blocks until written (FICLONE)
  copied,
  hard_linked,
};

}  // namespace lockkit::inline v0
