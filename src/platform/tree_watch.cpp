#include "tree_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>

#include "invoke.hpp"
#include "watch.hpp"

namespace lockkit::platform {
namespace {

// Reading and opening are not changes; our own looks would be seen.
constexpr std::uint32_t changes = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF |
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF;
constexpr std::size_t event_buffer = std::size_t{64} * 1024;
static_assert(event_buffer >= sizeof(inotify_event) + NAME_MAX + 1);

tree_event decode(const inotify_event& head, const char* name) {
  tree_event event;
  event.watch = (head.mask & IN_Q_OVERFLOW) != 0 ? -1 : head.wd;
  event.cookie = head.cookie;
  event.moved_from = (head.mask & IN_MOVED_FROM) != 0;
  event.moved_to = (head.mask & IN_MOVED_TO) != 0;
  event.itself = (head.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0;
  event.ended = (head.mask & IN_IGNORED) != 0;
  if (head.len > 0) event.name.assign(name, ::strnlen(name, head.len));
  return event;
}

void decode_all(const std::vector<char>& bytes, std::size_t size, std::vector<tree_event>& into) {
  for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
    inotify_event head{};
    std::memcpy(&head, &bytes[at], sizeof head);
    into.push_back(decode(head, bytes.data() + at + sizeof head));
    at += sizeof head + head.len;
  }
}

}  // namespace

wake_signal::wake_signal(std::error_code& ec) noexcept
    : fd_(invoke("eventfd2", ec, [] { return above_standard_streams(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); })) {}

void wake_signal::raise() const noexcept {
  const std::uint64_t one = 1;
  if (::write(fd_.get(), &one, sizeof one) < 0) return;  // full: it is readable already
}

tree_watch::tree_watch(std::error_code& ec) noexcept
    : fd_(invoke("inotify_init1", ec,
                 [] { return above_standard_streams(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)); })) {}

int tree_watch::add(int directory, std::error_code& ec) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", directory);
  return invoke("inotify_add_watch", ec,
                [&] { return ::inotify_add_watch(fd_.get(), path.data(), changes | IN_ONLYDIR); });
}

void tree_watch::remove(int watch) noexcept {
  std::error_code ignored;  // it may have ended by itself
  invoke("inotify_rm_watch", ignored, [&] { return ::inotify_rm_watch(fd_.get(), watch); });
}

void tree_watch::read(std::vector<tree_event>& into, std::error_code& ec) {
  int queued = 0;  // so much and no more: a steady writer must not keep us here
  invoke("ioctl", ec, [&] { return ::ioctl(fd_.get(), FIONREAD, &queued); });
  std::vector<char> bytes(queued > 0 && !ec ? event_buffer : 0);
  while (queued > 0 && !ec) {
    const ssize_t size = invoke("read", ec, [&] { return ::read(fd_.get(), bytes.data(), bytes.size()); });
    if (ec == std::errc::resource_unavailable_try_again) return ec.clear();
    if (!ec) decode_all(bytes, static_cast<std::size_t>(size), into);
    queued -= static_cast<int>(size);
  }
}

void wait_readable(int first, int second, deadline until) noexcept {
  const timespec time = time_for_poll(until);
  std::array<pollfd, 2> waited = {{{first, POLLIN, 0}, {second, POLLIN, 0}}};
  (void)::ppoll(waited.data(), waited.size(), &time, nullptr);  // whatever ends it: the caller looks
}

}  // namespace lockkit::platform
