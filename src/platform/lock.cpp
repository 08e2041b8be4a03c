#include "lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cstdlib>
#include <sstream>
#include <string>

#include "file.hpp"
#include "invoke.hpp"

namespace lockkit::platform {
namespace {

struct flock range_lock(byte_range range, short type) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(range.first);
  lock.l_len = static_cast<off_t>(range.count);
  return lock;
}

struct flock byte_lock(std::uint64_t byte, short type) noexcept {
  return range_lock({byte, 1}, type);
}

/// Without waiting.
void change_lock(int fd, struct flock lock, std::error_code& ec) noexcept {
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_SETLK, &lock); });
}

struct flock content_lock(short type) noexcept {
  return range_lock({0, content_bytes}, type);
}

bool is_locked(int fd, struct flock lock) noexcept {
  std::error_code ec;
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_GETLK, &lock); });
  return ec || lock.l_type != F_UNLCK;
}

/// False with a clear code: another has it.
bool try_set(int fd, struct flock lock, std::error_code& ec) noexcept {
  change_lock(fd, lock, ec);
  if (ec != std::errc::resource_unavailable_try_again && ec != std::errc::permission_denied) return !ec;
  ec.clear();
  return false;
}

/// A line of /proc/locks, such as "6: OFDLCK ADVISORY  WRITE -1 00:1b:3735743 2 2".
void add_locked_byte(const std::string& line, std::uint64_t inode, std::vector<std::uint64_t>& bytes) {
  std::istringstream words(line);
  std::array<std::string, 6> word;  // number, kind, strength, type, pid, file
  for (std::string& each : word) words >> each;
  std::uint64_t first = 0;
  if (!(words >> first) || word[1] != "OFDLCK") return;
  const std::string& file = word[5];
  if (std::strtoull(file.substr(file.rfind(':') + 1).c_str(), nullptr, 10) == inode) bytes.push_back(first);
}

}  // namespace

bool try_flock(int fd, lock_mode mode, std::error_code& ec) noexcept {
  if (fault::is_broken("flock_excludes")) {
    ec.clear();
    return true;
  }
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
  share_byte(fd, presence_byte, ec);
}

void clear_presence(int fd) noexcept {
  unlock_byte(fd, presence_byte);
}

void share_byte(int fd, std::uint64_t byte, std::error_code& ec) noexcept {
  change_lock(fd, byte_lock(byte, F_RDLCK), ec);
}

void unlock_bytes(int fd, byte_range range) noexcept {
  std::error_code ignored;
  change_lock(fd, range_lock(range, F_UNLCK), ignored);
}

std::optional<byte_range> find_locked(int fd, byte_range range, std::error_code& ec) noexcept {
  struct flock lock = range_lock(range, F_WRLCK);
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_GETLK, &lock); });
  if (ec || lock.l_type == F_UNLCK) return std::nullopt;
  return byte_range{static_cast<std::uint64_t>(lock.l_start), static_cast<std::uint64_t>(lock.l_len)};
}

bool others_present(int fd) noexcept {
  return is_byte_locked(fd, presence_byte);
}

bool try_lock_content(int fd, std::error_code& ec) noexcept {
  return try_set(fd, content_lock(F_WRLCK), ec);
}

void unlock_content(int fd) noexcept {
  unlock_bytes(fd, {0, content_bytes});
}

int content_locker(int fd) noexcept {
  struct flock lock = content_lock(F_WRLCK);
  std::error_code ec;
  invoke("fcntl", ec, [&] { return ::fcntl(fd, F_OFD_GETLK, &lock); });
  if (ec || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? lock.l_pid : -1;  // 0: of a PID namespace that ours can't see into
}

bool try_lock_byte(int fd, std::uint64_t byte, std::error_code& ec) noexcept {
  return try_set(fd, byte_lock(byte, F_WRLCK), ec);
}

void unlock_byte(int fd, std::uint64_t byte) noexcept {
  unlock_bytes(fd, {byte, 1});
}

bool is_byte_locked(int fd, std::uint64_t byte) noexcept {
  return is_locked(fd, byte_lock(byte, F_WRLCK));
}

bool is_any_byte_locked(int fd) noexcept {
  struct flock all = byte_lock(0, F_WRLCK);
  all.l_len = 0;  // to the end, wherever that is
  return is_locked(fd, all);
}

std::vector<std::uint64_t> list_locked_bytes(std::uint64_t inode, std::error_code& ec) {
  constexpr std::size_t limit = 16U << 20U;
  constexpr int readings = 3;  // a page at a time: what goes meanwhile can hide one that stays
  std::vector<std::uint64_t> bytes;
  for (int i = 0; i < readings; ++i) {
    const std::string list = read_small_file(AT_FDCWD, "/proc/locks", limit, ec);
    if (!ec && list.size() == limit) ec = std::make_error_code(std::errc::file_too_large);
    if (ec) return {};
    std::istringstream lines(list);
    for (std::string line; std::getline(lines, line);) add_locked_byte(line, inode, bytes);
  }
  return bytes;
}

}  // namespace lockkit::platform
