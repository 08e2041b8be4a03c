#include "filesystem_kind.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

// Where linux/magic.h lacks a name: the value in the filesystem's own source.
constexpr std::array<std::uint32_t, 18> local_magics = {
    EXT4_SUPER_MAGIC,  // ext2, ext3 and ext4 share it
    XFS_SUPER_MAGIC,      BTRFS_SUPER_MAGIC, TMPFS_MAGIC,          RAMFS_MAGIC, OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
    0x2fc12fc1,  // ZFS
    0xca451a4e,  // bcachefs
    REISERFS_SUPER_MAGIC, NILFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
    0x2011bab0,  // exFAT
    0x7366746e,  // ntfs3
    0x3153464a,  // JFS
    SQUASHFS_MAGIC,       ISOFS_SUPER_MAGIC, ECRYPTFS_SUPER_MAGIC,
};

std::uint32_t magic_of(int fd, std::error_code& ec) noexcept {
  struct statfs found{};
  invoke("fstatfs", ec, [&] { return ::fstatfs(fd, &found); });
  return static_cast<std::uint32_t>(found.f_type);
}

}  // namespace

filesystem_kind filesystem_of(int fd, std::error_code& ec) noexcept {
  const std::uint32_t magic = magic_of(fd, ec);
  if (ec) return filesystem_kind::remote;
  return std::ranges::find(local_magics, magic) != local_magics.end() ? filesystem_kind::local
                                                                      : filesystem_kind::remote;
}

bool may_skip_sync_of_unnamed(int fd, std::error_code& ec) noexcept {
  return magic_of(fd, ec) == BTRFS_SUPER_MAGIC || ec;
}

}  // namespace lockkit::platform
