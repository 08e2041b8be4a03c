#pragma once
/// Where a mirror goes, and what stands there.

#include <filesystem>
#include <string>
#include <system_error>

#include "cache_layout.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// The content that a mirror shall have.
struct mirror_source {
  const std::filesystem::path& path;  ///< in the cache; may have gone
  int file;                           ///< pinned
  const std::string& sha256;
  std::uint64_t size;
};

enum class standing {
  absent,
  linked,      ///< a hard link of the very file in the cache
  identical,   ///< a regular file with this content
  different,   ///< a regular file with other content, or a symbolic link
  unreadable,  ///< a regular file that can't be compared
  special,     ///< a FIFO, socket or device
  directory,
};

/// Whether a mirror may go there: errc::invalid_name for a bad name, and for one inside the cache or one of its layers.
[[nodiscard]] std::error_code check_destination(const std::filesystem::path& path, const cache_layout& layout);

/// A name in a directory that is held open, outside of the cache.
class destination {
 public:
  /// Nothing is made where check_destination has something to say.
  destination(const std::filesystem::path& path, const cache_layout& layout, bool create_parents, std::error_code& ec);

  [[nodiscard]] int directory() const noexcept { return directory_.get(); }
  [[nodiscard]] const char* name() const noexcept { return name_.c_str(); }
  /// Opens nothing but regular files, and those only to read. `why` says what made it unreadable.
  [[nodiscard]] standing compare(const mirror_source& source, std::error_code& why) const;

 private:
  std::string name_;
  platform::unique_fd directory_;
};

}  // namespace lockkit::detail
