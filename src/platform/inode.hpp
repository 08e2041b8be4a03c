#pragma once
/// What identifies an inode and who may remove it: a stat without the times.
///
/// A filesystem with fine-grained times (ext4, xfs, btrfs and tmpfs since Linux 6.13) marks an inode whose times were
/// asked for, and the next write must then store a new time: on ext4 a journalled inode update, 2 µs, for each turn of
/// a lock that looks at its file and writes its record. Who does not need the times does not ask for them.

#include <sys/stat.h>

#include <cstdint>
#include <system_error>

#include "private_api.hpp"

namespace lockkit::platform {

struct inode_facts {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;  ///< 0: not looked at yet
  std::uint64_t links = 0;
  std::uint64_t size = 0;
  unsigned mode = 0;
  unsigned owner = 0;
  unsigned group = 0;
  bool mount_root = false;  ///< the top of its mount; false where the kernel (before 5.8) does not tell
  [[nodiscard]] constexpr bool is_regular() const noexcept { return S_ISREG(mode); }
};

[[nodiscard]] LOCKKIT_PRIVATE_API inode_facts facts(int fd, std::error_code& ec) noexcept;
/// Does not follow a symbolic link in the last component.
[[nodiscard]] LOCKKIT_PRIVATE_API inode_facts facts_at(int directory, const char* name, std::error_code& ec) noexcept;
/// Through which mount the descriptor was opened: one filesystem can have several. Where the kernel does not tell (before
/// Linux 5.8): the device.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t mount_of(int fd, std::error_code& ec) noexcept;
[[nodiscard]] constexpr bool same_inode(const inode_facts& a, const inode_facts& b) noexcept {
  return a.device == b.device && a.inode == b.inode;
}

}  // namespace lockkit::platform
