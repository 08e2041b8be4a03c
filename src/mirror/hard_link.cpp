/// Linking.
///
///  1. A hard link can only be made by name (the kernel refuses descriptors of removed files), and the name may lead to
///     another inode by now: compare. Never chmod: the inode is shared.
///  2. Onto an absent name by one linkat, which fails if something is there.
///  3. Over a file through a temporary name, whose inode is flocked meanwhile so that a sweep leaves it. rename() of two
///     links to one inode does nothing and leaves the temporary name: it is always removed afterwards.

#include "hard_link.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "fs/durable_names.hpp"
#include "fs/temporary_name.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

struct linking {
  const mirror_source& source;
  int file;
  const destination& target;

  void if_absent(const struct stat& pinned, std::error_code& ec) const {
    const struct stat named = platform::status_at(AT_FDCWD, source.path.c_str(), ec);
    if (!ec && !platform::same_inode(named, pinned)) ec = std::make_error_code(std::errc::no_such_file_or_directory);
    if (!ec) platform::link_name(AT_FDCWD, source.path.c_str(), target.directory(), target.name(), ec);
  }

  /// Rule 3.
  void over(const struct stat& pinned, std::error_code& ec) const {
    const platform::unique_fd alive = platform::reopen(file, O_RDONLY, ec);
    if (!ec) static_cast<void>(platform::try_flock(alive.get(), platform::lock_mode::shared, ec));
    const name_buffer temporary = ec ? name_buffer{} : temporary_name(target.name(), name_origin::born_locked, ec);
    if (!ec) platform::link_name(AT_FDCWD, source.path.c_str(), target.directory(), temporary.data(), ec);
    if (ec) return;
    const struct stat linked = platform::status_at(target.directory(), temporary.data(), ec);
    if (!ec && !platform::same_inode(linked, pinned)) ec = std::make_error_code(std::errc::no_such_file_or_directory);
    if (!ec) platform::rename_replace(target.directory(), temporary.data(), target.name(), ec);
    std::error_code gone;  // the usual case
    platform::unlink_name(target.directory(), temporary.data(), gone);
  }
};

}  // namespace

void make_hard_link(const mirror_source& source, int file, const destination& target, publish_mode mode,
                    durability level, std::error_code& ec) {
  const struct stat pinned = platform::status(file, ec);
  if (!ec && static_cast<std::uint64_t>(pinned.st_size) != source.size) ec = errc::integrity_mismatch;
  if (!ec && level != durability::visible) platform::sync_file(file, ec);
  if (ec) return;
  const linking work{source, file, target};
  mode == publish_mode::if_absent ? work.if_absent(pinned, ec) : work.over(pinned, ec);
  if (!ec) sync_names(target.directory(), file, level, ec);
}

}  // namespace lockkit::detail
