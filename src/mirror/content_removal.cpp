/// A content's name: who may take it away.
///
///  1. A lease is a shared flock on the content's inode, on a description of its own. Who would remove the name takes the
///     exclusive one first, without waiting, and keeps it until the name is gone. Who takes a lease looks at the name after
///     he has the lock (cache_lease.cpp):
///
///       evictor   opens, locks ------------- looks whether the name is still that inode's, unlinks
///       leaser           opens --- is refused, looks again: the name is gone -> asks the cache anew
///       leaser    locks, looks: the name is there -> has it; the evictor is refused
///
///  2. Between lock and unlink the name is compared with the locked inode: another one may have been put there, which
///     has leases of its own.
///  3. A leased name may be given to another file (a good content instead of a damaged one), but then the lease would be
///     on an inode that nobody finds any more. So the old inode first gets a second name in q/, `<sha256>.<random>`, and a
///     content is leased also if any of those is. A lease that is taken meanwhile is covered: the second name stands
///     before the first one goes.
///  4. Names in q/ go when their inode's lock is free, behind the gate: not between a second name and the loss of the first.
///  5. Nobody waits for a lease. What is leased now goes with a later sweep.

#include "content_removal.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "cache_files.hpp"
#include "digest.hpp"
#include "fs/temporary_name.hpp"
#include "gate.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

enum class claiming { had, gone, refused };

/// A file that can't be opened because it is none of ours: a symbolic link, a socket. Nobody has a lease on it.
bool is_foreign(const std::error_code& ec) noexcept {
  return ec.value() == ELOOP || ec.value() == ENXIO;
}

bool has_name(int fd, const std::string& path, std::error_code& ec) {
  const struct stat held = platform::status(fd, ec);
  const struct stat named = ec ? held : platform::status_at(AT_FDCWD, path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    return false;
  }
  return !ec && platform::same_inode(held, named);
}

/// Rules 1 and 2: the inode at `path`, locked against leases. `held` stays empty for what is foreign.
claiming claim_name(const std::string& path, platform::unique_fd& held, std::error_code& ec) {
  held = platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    return claiming::gone;
  }
  if (is_foreign(ec)) ec.clear();
  if (ec || !held) return claiming::had;
  if (!platform::try_flock(held.get(), platform::lock_mode::exclusive, ec)) return claiming::refused;
  return has_name(held.get(), path, ec) || ec ? claiming::had : claiming::gone;
}

void unlink_path(const std::string& path, std::error_code& ec) {
  platform::unlink_name(AT_FDCWD, path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
}

std::vector<std::string> displaced_files(const cache_layout& layout, std::string_view sha256, std::error_code& ec) {
  std::vector<std::string> found;
  for (const std::filesystem::path& path : list_directory(layout.part_path('q'), ec)) {
    if (path.filename().native().starts_with(sha256)) found.push_back(path.native());
  }
  return found;
}

/// Rule 3. `locked`: what this process has locked itself, if anything. It can have a name in q/ already, when a process
/// died before it gave the other one away.
bool is_displaced_leased(const cache_layout& layout, std::string_view sha256, int locked, std::error_code& ec) {
  for (const std::string& path : displaced_files(layout, sha256, ec)) {
    if (locked >= 0 && has_name(locked, path, ec)) continue;
    platform::unique_fd held;
    if (!ec && claim_name(path, held, ec) == claiming::refused && !ec) return true;
    if (ec) return false;
  }
  return false;
}

}  // namespace

bool is_leased(const cache_layout& layout, std::string_view sha256, std::error_code& ec) {
  platform::unique_fd held;
  const claiming found = claim_name(layout.content_path(sha256), held, ec);
  if (ec) return false;
  return found == claiming::refused || is_displaced_leased(layout, sha256, held.get(), ec);
}

removal remove_content(const cache_layout& layout, std::string_view sha256, std::vector<platform::unique_fd>& unlinked,
                       std::error_code& ec) {
  const std::string path = layout.content_path(sha256);
  platform::unique_fd held;
  const claiming found = claim_name(path, held, ec);
  if (ec || found == claiming::gone) return removal::gone;
  if (found == claiming::refused || is_displaced_leased(layout, sha256, held.get(), ec)) return removal::leased;
  if (!ec) unlink_path(path, ec);
  if (held) unlinked.push_back(std::move(held));
  return ec ? removal::gone : removal::removed;
}

void discard_damaged(const cache_layout& layout, std::string_view sha256, int file) {
  std::error_code ec;
  gate passage(layout);
  passage.enter_exclusive(deadline(), {}, ec);
  if (ec || !has_name(file, layout.content_path(sha256), ec) || ec) return;
  std::vector<platform::unique_fd> unlinked;
  remove_content(layout, sha256, unlinked, ec);
}

displacement::displacement(const cache_layout& layout, std::string_view sha256, std::error_code& ec) {
  const std::string path = layout.content_path(sha256);
  if (claim_name(path, old_, ec) != claiming::refused || ec) return;
  const random_text unique = random_base32(name_origin::opened, ec);
  const platform::unique_fd directory = ec ? platform::unique_fd() : layout.open_displaced(ec);
  const std::string name = std::string(sha256) + '.' + unique.data();
  if (!ec) platform::link_name(AT_FDCWD, path.c_str(), directory.get(), name.c_str(), ec);
  keeps_leases_ = ec != std::errc::too_many_links;
  if (!keeps_leases_) ec.clear();
}

void sweep_displaced(const cache_layout& layout, std::error_code& ec) {
  for (const std::string& path : displaced_files(layout, {}, ec)) {
    platform::unique_fd held;
    const claiming found = claim_name(path, held, ec);
    if (!ec && found == claiming::had) unlink_path(path, ec);
    if (ec) return;
  }
}

}  // namespace lockkit::detail
