#include "watch.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "invoke.hpp"

namespace lockkit::platform {

path_watch::path_watch(const char* path, std::error_code& ec) noexcept {
  fd_ = unique_fd(invoke("inotify_init1", ec, [] { return ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }));
  if (ec) return;
  constexpr std::uint32_t events = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CLOSE_WRITE | IN_DONT_FOLLOW;
  invoke("inotify_add_watch", ec, [&] { return ::inotify_add_watch(fd_.get(), path, events); });
}

void path_watch::wait(deadline until) noexcept {
  using namespace std::chrono;
  const nanoseconds left = std::min<nanoseconds>(until.remaining(), hours(1));
  const timespec time = {static_cast<std::time_t>(left / seconds(1)), static_cast<long>((left % seconds(1)).count())};
  pollfd waited = {fd_.get(), POLLIN, 0};
  if (::ppoll(&waited, 1, &time, nullptr) <= 0) return;
  std::array<char, 4096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

}  // namespace lockkit::platform
