#include "destination.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "digest.hpp"
#include "fs/temporary_name.hpp"
#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

namespace fs = std::filesystem;

bool is_usable_name(const fs::path& path) {
  const std::string name = path.filename().native();
  return !name.empty() && name != "." && name != ".." && path.native().find('\0') == std::string::npos &&
         !parse_temporary_name(name);  // a sweep would remove it
}

platform::unique_fd open_directory(const fs::path& path, int flags, std::error_code& ec) {
  return platform::open_at(AT_FDCWD, path.empty() ? "." : path.c_str(), flags | O_DIRECTORY, 0, ec);
}

/// Whether `directory` is `root` or lies below it: asks the kernel, so that neither symbolic links nor another
/// spelling get past.
bool is_inside(int directory, const struct stat& root, std::error_code& ec) {
  std::string up = ".";
  struct stat below{};
  for (;;) {
    const struct stat here = platform::status_at(directory, up.c_str(), ec);
    if (ec == std::errc::permission_denied) ec.clear();  // above are others' directories; the cache is ours
    if (ec || here.st_ino == 0 || platform::same_inode(here, below)) return false;
    if (platform::same_inode(here, root)) return true;
    below = here;
    up += "/..";
  }
}

/// `path`, or its nearest ancestor that exists.
platform::unique_fd open_existing(fs::path path, std::error_code& ec) {
  for (;;) {
    platform::unique_fd directory = open_directory(path, O_PATH, ec);
    if (ec != std::errc::no_such_file_or_directory || path.empty() || path == path.root_path()) return directory;
    path = path.parent_path();
  }
}

bool leads_inside(const fs::path& path, const fs::path& cache_directory, std::error_code& ec) {
  const platform::unique_fd root = open_directory(cache_directory, O_PATH, ec);
  if (ec) {
    ec.clear();  // there is no cache to be in
    return false;
  }
  const struct stat root_status = platform::status(root.get(), ec);
  const platform::unique_fd directory = ec ? platform::unique_fd() : open_existing(path, ec);
  return !ec && is_inside(directory.get(), root_status, ec);
}

}  // namespace

std::error_code check_destination(const fs::path& path, const cache_layout& layout) {
  std::error_code ec;
  bool inside = !is_usable_name(path) || leads_inside(path.parent_path(), layout.directory(), ec);
  for (const cache_layout& layer : layout.layers()) {
    if (!inside && !ec) inside = leads_inside(path.parent_path(), layer.directory(), ec);
  }
  return inside ? make_error_code(errc::invalid_name) : ec;
}

destination::destination(const fs::path& path, const cache_layout& layout, bool create_parents, std::error_code& ec)
    : name_(path.filename().native()) {
  ec = check_destination(path, layout);
  if (ec) return;
  const fs::path parent = path.parent_path();
  directory_ = open_directory(parent, O_RDONLY, ec);
  if (ec == std::errc::no_such_file_or_directory && create_parents) {
    ensure_directory(parent, {}, ec);
    if (!ec) ec = check_destination(path, layout);  // what was made may lead elsewhere: "new/../cache"
    if (!ec) directory_ = open_directory(parent, O_RDONLY, ec);
  }
  // A directory that may be written but not listed can't be synced, but it can be used.
  if (ec == std::errc::permission_denied) directory_ = open_directory(parent, O_PATH, ec);
}

standing destination::compare(const mirror_source& source, std::error_code& why) const {
  const struct stat found = platform::status_at(directory(), name(), why);
  if (why == std::errc::no_such_file_or_directory) {
    why.clear();
    return standing::absent;
  }
  if (why) return standing::unreadable;
  if (S_ISDIR(found.st_mode)) return standing::directory;
  if (S_ISLNK(found.st_mode)) return standing::different;
  if (!S_ISREG(found.st_mode)) return standing::special;
  if (static_cast<std::uint64_t>(found.st_size) != source.size) return standing::different;
  if (platform::same_inode(found, platform::status(source.file, why)) && !why) return standing::linked;
  const platform::unique_fd file = platform::open_at(directory(), name(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, why);
  if (why == std::errc::no_such_file_or_directory) return compare(source, why);  // gone meanwhile
  if (why) return standing::unreadable;
  std::uint64_t size = 0;
  const std::string digest = sha256_of_file(file.get(), size, why);
  if (why) return standing::unreadable;
  return digest == source.sha256 ? standing::identical : standing::different;
}

}  // namespace lockkit::detail
