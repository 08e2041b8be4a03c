#include "lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

struct flock presence_lock(short type) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t{1} << 40;
  lock.l_len = 1;
  return lock;
}

}  // namespace

bool try_flock(int fd, lock_mode mode, std::error_code& ec) noexcept {
  const int operation = mode == lock_mode::exclusive ? LOCK_EX : LOCK_SH;
  invoke("flock", ec, [&] { return ::flock(fd, operation | LOCK_NB); });
  if (ec != std::errc::operation_would_block) return !ec;
  ec.clear();
  return false;
}

void unlock_flock(int fd) noexcept {
  std::error_code ignored;
  invoke("flock", ignored, [&] { return ::flock(fd, LOCK_UN); });
}

void set_presence(int fd, std::error_code& ec) noexcept {
  struct flock lock = presence_lock(F_RDLCK);
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_SETLK, &lock); });
}

void clear_presence(int fd) noexcept {
  struct flock lock = presence_lock(F_UNLCK);
  std::error_code ignored;
  invoke("fcntl", ignored, [&] { return ::fcntl(fd, F_OFD_SETLK, &lock); });
}

bool others_present(int fd) noexcept {
  struct flock lock = presence_lock(F_WRLCK);
  std::error_code ec;
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_GETLK, &lock); });
  return ec || lock.l_type != F_UNLCK;
}

}  // namespace lockkit::platform
