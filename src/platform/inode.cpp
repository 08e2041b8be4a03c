#include "inode.hpp"

#include <fcntl.h>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

inode_facts look(int directory, const char* name, int flags, std::error_code& ec) noexcept {
  constexpr unsigned wanted = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO | STATX_SIZE;
  struct statx found{};
  invoke("statx", ec, [&] { return ::statx(directory, name, flags, wanted, &found); });
  if (ec) return {};
  return {.device = std::uint64_t{found.stx_dev_major} << 32U | found.stx_dev_minor,
          .inode = found.stx_ino,
          .links = found.stx_nlink,
          .size = found.stx_size,
          .mode = found.stx_mode,
          .owner = found.stx_uid,
          .group = found.stx_gid,
          .mount_root = (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0};
}

}  // namespace

inode_facts facts(int fd, std::error_code& ec) noexcept {
  return look(fd, "", AT_EMPTY_PATH, ec);
}

inode_facts facts_at(int directory, const char* name, std::error_code& ec) noexcept {
  return look(directory, name, AT_SYMLINK_NOFOLLOW, ec);
}

std::uint64_t mount_of(int fd, std::error_code& ec) noexcept {
  struct statx found{};
  invoke("statx", ec, [&] { return ::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found); });
  if (ec) return 0;
  const bool told = (found.stx_mask & STATX_MNT_ID) != 0;
  return told ? found.stx_mnt_id : std::uint64_t{found.stx_dev_major} << 32U | found.stx_dev_minor;
}

}  // namespace lockkit::platform
