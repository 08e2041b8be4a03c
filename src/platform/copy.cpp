#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vector>

#include "file.hpp"
#include "invoke.hpp"
#include "lease_probe.hpp"

namespace lockkit::platform {
namespace {

constexpr std::size_t kernel_chunk = std::size_t{1} << 30;
constexpr std::size_t user_chunk = std::size_t{1} << 20;

std::uint64_t copy_through_user_space(int from, int to, std::uint64_t done, std::error_code& ec) {
  std::vector<std::byte> buffer(user_chunk);
  for (;;) {
    const std::size_t n = pread_some(from, buffer, done, ec);
    if (ec || n == 0) return done;
    pwrite_all(to, std::span(buffer).first(n), done, ec);
    if (ec) return done;
    done += n;
  }
}

/// Errors that mean "not between these two", as opposed to a failing disk.
bool cannot_copy_in_kernel(const std::error_code& ec) noexcept {
  switch (ec.value()) {
    case EXDEV:
    case EINVAL:
    case ENOSYS:
    case ENOTTY:
    case EOPNOTSUPP:
    case EPERM:
    case EACCES:
    case EBADF:
    case EAGAIN:
    case ETXTBSY:
      return true;
    default:
      return false;
  }
}

}  // namespace

void clone_file(int from, int to, std::error_code& ec) noexcept {
  invoke("ioctl", ec, [&] { return ::ioctl(to, FICLONE, from); });
}

std::uint64_t copy_by_reading(int from, int to, std::error_code& ec) {
  return copy_through_user_space(from, to, 0, ec);
}

std::uint64_t copy_file(int from, int to, std::error_code& ec) {
  std::uint64_t done = 0;
  for (;;) {
    loff_t source = static_cast<loff_t>(done);
    loff_t target = source;
    const ssize_t n = invoke_sized("copy_file_range", kernel_chunk, ec, [&](std::size_t size) {
      return ::copy_file_range(from, &source, to, &target, size, 0);
    });
    if (ec && !cannot_copy_in_kernel(ec)) return done;
    // Zero can mean the end or a filesystem that gives up early: reading on tells, at the cost of one empty read.
    if (n <= 0) return copy_through_user_space(from, to, done, ec);
    done += static_cast<std::uint64_t>(n);
  }
}

bool is_sealed(int fd, std::error_code& ec) noexcept {
  const lease_probe probe;
  return probe.ask(fd, ec) == writers::none;
}

}  // namespace lockkit::platform
