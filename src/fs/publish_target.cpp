#include "publish_target.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "displaced_name.hpp"
#include "platform/file.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "temporary_name.hpp"

namespace lockkit::detail {
namespace {

constexpr int most_links = 40;  // as in the kernel

publish_target open_parent(int base, const std::filesystem::path& path, std::error_code& ec) {
  const std::filesystem::path parent = path.parent_path();
  publish_target target;
  target.directory = open_directory(base, parent.empty() ? "." : parent.c_str(), ec);
  target.name = path.filename();
  return target;
}

/// What fs.protected_symlinks asks of the kernel's own lookups, here for ours: in a sticky directory that everybody
/// writes to, only links of the own user or of the directory's owner.
bool may_follow(const struct stat& link, int directory, std::error_code& ec) noexcept {
  const struct stat parent = platform::status(directory, ec);
  if (ec) return false;
  const bool shared = (parent.st_mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH);
  if (!shared || link.st_uid == platform::effective_user() || link.st_uid == parent.st_uid) return true;
  ec = std::make_error_code(std::errc::permission_denied);
  return false;
}

/// One link further. False: what stands there is no link (or there is nothing, or an error).
bool follow_once(publish_target& target, std::error_code& ec) {
  const struct stat found = platform::status_at(target.directory.get(), target.name.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || !S_ISLNK(found.st_mode) || !may_follow(found, target.directory.get(), ec)) return false;
  const std::filesystem::path next = platform::read_link(target.directory.get(), target.name.c_str(), ec);
  if (ec) return false;
  ec = check_file_path(next);
  if (ec == errc::invalid_name) ec = std::make_error_code(std::errc::is_a_directory);  // "dir/", ".."
  if (ec) return false;
  target = open_parent(target.directory.get(), next, ec);
  return !ec;
}

}  // namespace

std::error_code check_file_path(const std::filesystem::path& path) {
  if (path.native().find('\0') != std::string::npos) return errc::invalid_name;
  const std::string name = path.filename();
  if (name.empty() || name == "." || name == "..") return errc::invalid_name;
  // A sweep would remove it.
  if (parse_temporary_name(name) || parse_displaced_name(name) || is_tree_name(name)) return errc::invalid_name;
  if (name.size() > longest_name) return std::make_error_code(std::errc::filename_too_long);
  return {};
}

platform::unique_fd open_directory(int base, const char* path, std::error_code& ec) noexcept {
  platform::unique_fd fd = platform::open_at(base, path, O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec == std::errc::permission_denied) fd = platform::open_at(base, path, O_PATH | O_DIRECTORY, 0, ec);
  return fd;
}

publish_target find_target(const std::filesystem::path& path, symlink_policy symlinks, std::error_code& ec) {
  ec = check_file_path(path);
  if (ec) return {};
  publish_target target = open_parent(AT_FDCWD, path, ec);
  if (ec || symlinks == symlink_policy::replace) return target;
  for (int links = 0; follow_once(target, ec); ++links) {
    if (links == most_links) {
      ec = std::make_error_code(std::errc::too_many_symbolic_link_levels);
      break;
    }
  }
  return target;
}

}  // namespace lockkit::detail
