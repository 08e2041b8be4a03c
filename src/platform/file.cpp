#include "file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "invoke.hpp"

namespace lockkit::platform {

namespace {
constexpr std::size_t largest_transfer = std::size_t{1} << 30;  // Linux moves at most 0x7ffff000 bytes a call
}

void unique_fd::reset() noexcept {
  if (fd_ < 0) return;
  const int saved = errno;  // closing while an error is being reported must not change it
  ::close(std::exchange(fd_, -1));
  errno = saved;
}

int above_standard_streams(int fd) noexcept {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  unique_fd(fd).reset();
  return higher;
}

unique_fd open_at(int directory, const char* name, int flags, unsigned mode, std::error_code& ec) noexcept {
  return unique_fd(invoke("openat", ec, [&] {
    return above_standard_streams(::openat(directory, name, flags | O_CLOEXEC | O_NOCTTY, mode));
  }));
}

unique_fd reopen(int fd, int flags, std::error_code& ec) noexcept {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", fd);
  return open_at(AT_FDCWD, name.data(), flags, 0, ec);
}

void close_checked(unique_fd& fd, std::error_code& ec) noexcept {
  ec.clear();
  const int injected = fault::before("close");
  // Linux closes the descriptor whatever close() returns: never again, and EINTR is success.
  const int result = ::close(fd.release());
  const int error = injected != 0 ? injected : (result < 0 ? errno : 0);
  if (error != 0 && error != EINTR) ec.assign(error, std::system_category());
}

std::size_t read_some(int fd, std::span<std::byte> into, std::error_code& ec) noexcept {
  const ssize_t n = invoke_sized("read", std::min(into.size(), largest_transfer), ec,
                                 [&](std::size_t size) { return ::read(fd, into.data(), size); });
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::size_t pread_some(int fd, std::span<std::byte> into, std::uint64_t offset, std::error_code& ec) noexcept {
  const ssize_t n = invoke_sized("pread64", std::min(into.size(), largest_transfer), ec, [&](std::size_t size) {
    return ::pread(fd, into.data(), size, static_cast<off_t>(offset));
  });
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::size_t write_some(int fd, std::span<const std::byte> from, std::error_code& ec) noexcept {
  const ssize_t n = invoke_sized("write", std::min(from.size(), largest_transfer), ec,
                                 [&](std::size_t size) { return ::write(fd, from.data(), size); });
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::size_t pwrite_some(int fd, std::span<const std::byte> from, std::uint64_t offset, std::error_code& ec) noexcept {
  const ssize_t n = invoke_sized("pwrite64", std::min(from.size(), largest_transfer), ec, [&](std::size_t size) {
    return ::pwrite(fd, from.data(), size, static_cast<off_t>(offset));
  });
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

void write_all(int fd, std::span<const std::byte> from, std::error_code& ec) noexcept {
  ec.clear();
  while (!from.empty()) {
    const std::size_t n = write_some(fd, from, ec);
    if (!ec && n == 0) ec.assign(ENOSPC, std::system_category());
    if (ec) return;
    from = from.subspan(n);
  }
}

void pwrite_all(int fd, std::span<const std::byte> from, std::uint64_t offset, std::error_code& ec) noexcept {
  ec.clear();
  while (!from.empty()) {
    const std::size_t n = pwrite_some(fd, from, offset, ec);
    if (!ec && n == 0) ec.assign(ENOSPC, std::system_category());
    if (ec) return;
    from = from.subspan(n);
    offset += n;
  }
}

std::size_t pread_all(int fd, std::span<std::byte> into, std::uint64_t offset, std::error_code& ec) noexcept {
  ec.clear();
  std::size_t done = 0;
  while (done < into.size()) {
    const std::size_t n = pread_some(fd, into.subspan(done), offset + done, ec);
    if (ec || n == 0) break;
    done += n;
  }
  return done;
}

std::string read_small_file(int directory, const char* name, std::size_t limit, std::error_code& ec) {
  const unique_fd fd = open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec) return {};
  std::string text(limit, '\0');
  std::size_t size = 0;
  while (size < limit) {
    const std::size_t n = read_some(fd.get(), std::as_writable_bytes(std::span(text)).subspan(size), ec);
    if (ec) return {};
    if (n == 0) break;
    size += n;
  }
  text.resize(size);
  return text;
}

struct stat status(int fd, std::error_code& ec) noexcept {
  struct stat result{};
  invoke("fstat", ec, [&] { return ::fstat(fd, &result); });
  return result;
}

struct stat status_at(int directory, const char* name, std::error_code& ec) noexcept {
  struct stat result{};
  invoke("newfstatat", ec, [&] { return ::fstatat(directory, name, &result, AT_SYMLINK_NOFOLLOW); });
  return result;
}

void check_access(int directory, const char* name, std::error_code& ec) noexcept {
  invoke("faccessat2", ec, [&] { return ::faccessat(directory, name, R_OK | W_OK, AT_EACCESS); });
}

bool is_append_only(int fd, std::error_code& ec) noexcept {
  struct statx result{};
  invoke("statx", ec, [&] { return ::statx(fd, "", AT_EMPTY_PATH, 0, &result); });
  if (ec == std::errc::function_not_supported) ec.clear();
  return (result.stx_attributes & STATX_ATTR_APPEND) != 0;
}

void sync_file(int fd, std::error_code& ec) noexcept {
  invoke("fsync", ec, [&] { return ::fsync(fd); });
}

void start_writeback(int fd) noexcept {
  std::error_code ignored;
  invoke("sync_file_range", ignored, [&] { return ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); });
}

void flush_to_server(int fd, std::error_code& ec) noexcept {
  unique_fd duplicate(invoke("fcntl", ec, [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); }));
  if (!ec) close_checked(duplicate, ec);
}

void reserve(int fd, std::uint64_t bytes, std::error_code& ec) noexcept {
  ec.clear();
  if (bytes == 0) return;
  invoke("fallocate", ec, [&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)); });
  if (ec == std::errc::operation_not_supported || ec == std::errc::function_not_supported) ec.clear();
}

void resize(int fd, std::uint64_t bytes, std::error_code& ec) noexcept {
  invoke("ftruncate", ec, [&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); });
}

void change_mode(int fd, unsigned mode, std::error_code& ec) noexcept {
  invoke("fchmod", ec, [&] { return ::fchmod(fd, mode); });
}

void change_mode_at(int directory, const char* name, unsigned mode, std::error_code& ec) noexcept {
  invoke("fchmodat", ec, [&] { return ::fchmodat(directory, name, mode, AT_SYMLINK_NOFOLLOW); });
}

void sync_filesystem(int fd, std::error_code& ec) noexcept {
  invoke("syncfs", ec, [&] { return ::syncfs(fd); });
}

void ignore_access_times(int fd, int flags) noexcept {
  std::error_code ignored;
  invoke("fcntl", ignored, [&] { return ::fcntl(fd, F_SETFL, flags | O_NOATIME); });
}

void touch(int fd, std::error_code& ec) noexcept {
  const std::array<struct timespec, 2> now = {{{0, UTIME_OMIT}, {0, UTIME_NOW}}};
  invoke("utimensat", ec, [&] { return ::futimens(fd, now.data()); });
}

std::uint64_t seek_start(int fd, std::error_code& ec) noexcept {
  const off_t at = invoke("lseek", ec, [&] { return ::lseek(fd, 0, SEEK_SET); });
  return at < 0 ? 0 : static_cast<std::uint64_t>(at);
}

}  // namespace lockkit::platform
