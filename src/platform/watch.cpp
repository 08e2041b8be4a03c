#include "watch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "invoke.hpp"

namespace lockkit::platform {

namespace {

constexpr std::size_t most_descriptors = 64;

constexpr std::uint32_t events_of(watched what) noexcept {
  return IN_DONT_FOLLOW |
         (what == watched::content ? IN_MODIFY : IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CLOSE_WRITE);
}

}  // namespace

timespec time_for_poll(deadline until) noexcept {
  using namespace std::chrono;
  const std::chrono::nanoseconds left = std::min<std::chrono::nanoseconds>(until.remaining(), hours(1));
  return {static_cast<std::time_t>(left / seconds(1)), static_cast<long>((left % seconds(1)).count())};
}

bool is_readable(int fd, std::error_code& ec) noexcept {
  pollfd looked_at{fd, POLLIN, 0};
  const timespec now{};
  // A negative number would be skipped, and never readable.
  const int found = invoke("ppoll", ec, [&] { return ::ppoll(&looked_at, 1, &now, nullptr); });
  if (!ec && (fd < 0 || (looked_at.revents & POLLNVAL) != 0)) ec = std::make_error_code(std::errc::bad_file_descriptor);
  return !ec && found > 0;
}

void check_waitable(int fd, std::error_code& ec) noexcept {
  const int flags = invoke("fcntl", ec, [&] { return ::fcntl(fd, F_GETFL); });
  if (ec) return;
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    ec = std::make_error_code(std::errc::bad_file_descriptor);
    return;
  }
  struct stat file{};
  invoke("fstat", ec, [&] { return ::fstat(fd, &file); });
  if (!ec && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode) || S_ISBLK(file.st_mode))) {
    ec = std::make_error_code(std::errc::invalid_argument);
  }
}

void wait_readable(int fd, deadline until) noexcept {
  const timespec time = time_for_poll(until);
  pollfd waited_for{fd, POLLIN, 0};
  ::ppoll(&waited_for, 1, &time, nullptr);
}

path_watch::path_watch(const char* path, std::error_code& ec, watched what) noexcept {
  fd_ = unique_fd(invoke("inotify_init1", ec, [] { return ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }));
  if (ec) return;
  invoke("inotify_add_watch", ec, [&] { return ::inotify_add_watch(fd_.get(), path, events_of(what)); });
}

bool path_watch::wait(deadline until) noexcept {
  return wait(until, {});
}

bool path_watch::wait(deadline until, std::span<const int> also) noexcept {
  const timespec time = time_for_poll(until);
  std::array<pollfd, most_descriptors> waited{};
  waited[0] = {fd_.get(), POLLIN, 0};
  std::size_t count = 1;
  for (const int fd : also.first(std::min(also.size(), most_descriptors - 1))) waited[count++] = {fd, POLLIN, 0};
  if (::ppoll(waited.data(), count, &time, nullptr) <= 0) return false;
  drain();
  return true;
}

void path_watch::drain() noexcept {
  std::array<char, 4096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

}  // namespace lockkit::platform
