/// Who holds a lock file: read, never taken.
///
/// 1. The kernel's tables name the processes that hold the lock: /proc/PID/fd for those that have the inode open,
///    /proc/PID/fdinfo for the lock itself. A child that inherited the descriptor shows up too.
/// 2. If they name none but the record's owner lives in another PID namespace, its process can't be seen from here.
/// Only
///    then the lock is tried, shared and for an instant.
#include <lockkit/inspect.hpp>

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <charconv>

#include "core/throw_error.hpp"
#include "lock_names.hpp"
#include "owner_stamp.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"

namespace lockkit::inline v0 {
namespace {

namespace bfs = boost::filesystem;

bool shows_flock(const std::string& fdinfo) noexcept {
  const std::size_t at = fdinfo.find("lock:");
  return at != std::string::npos && fdinfo.find("FLOCK", at) != std::string::npos;
}

bool is_open_on(const std::string& fd_path, const struct stat& inode) noexcept {
  std::error_code ec;
  const platform::unique_fd link = platform::open_at(AT_FDCWD, fd_path.c_str(), O_PATH, 0, ec);
  return !ec && platform::same_inode(platform::status(link.get(), ec), inode);
}

bool process_holds(const std::string& pid, const struct stat& inode) {
  boost::system::error_code stop;
  for (bfs::directory_iterator fd("/proc/" + pid + "/fd", stop), end; !stop && fd != end; fd.increment(stop)) {
    if (!is_open_on(fd->path().string(), inode)) continue;
    std::error_code ec;
    const std::string info = fmt::format("/proc/{}/fdinfo/{}", pid, fd->path().filename().string());
    if (shows_flock(platform::read_small_file(AT_FDCWD, info.c_str(), 4096, ec))) return true;
  }
  return false;
}

std::vector<std::int32_t> find_holders(const struct stat& inode) {
  std::vector<std::int32_t> holders;
  boost::system::error_code stop;
  for (bfs::directory_iterator process("/proc", stop), end; !stop && process != end; process.increment(stop)) {
    const std::string name = process->path().filename().string();
    std::int32_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    const bool is_process = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
    if (is_process && process_holds(name, inode)) holders.push_back(pid);
  }
  std::ranges::sort(holders);
  return holders;
}

/// Rule 2.
bool lock_is_taken(int fd) noexcept {
  std::error_code ec;
  const bool got = platform::try_flock(fd, platform::lock_mode::shared, ec);
  if (got) platform::unlock_flock(fd);
  return !got;
}

lock_state judge(const lock_inspection& found, int fd) {
  if (!found.holders.empty()) return lock_state::held;
  switch (probe(*found.holder)) {
    case liveness::alive:
      return lock_state::held;
    case liveness::dead:
      return lock_state::stale;
    case liveness::unknown:
      return lock_is_taken(fd) ? lock_state::held : lock_state::stale;
  }
  return lock_state::held;
}

std::chrono::nanoseconds age_of(const struct stat& file) noexcept {
  const auto changed = std::chrono::seconds(file.st_mtim.tv_sec) + std::chrono::nanoseconds(file.st_mtim.tv_nsec);
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  return std::max(std::chrono::nanoseconds::zero(), now - changed);
}

void examine(int fd, const struct stat& inode, lock_inspection& found) {
  std::error_code ec;
  const detail::record_view view = detail::read_record(fd, ec);
  found.holder = detail::parse_record(view.text());
  if (found.holder) {
    found.holders = find_holders(inode);
    found.state = judge(found, fd);
  } else {
    found.holder = detail::parse_foreign(view.text());
  }
}

}  // namespace

lock_inspection inspect(const std::filesystem::path& lock_path, std::error_code& ec) {
  const detail::lock_names names = detail::name_lock(lock_path, ec);
  lock_inspection found;
  if (ec) return found;
  const struct stat named = platform::status_at(AT_FDCWD, names.path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || named.st_ino == 0) return found;
  found.state = lock_state::foreign;
  found.age = age_of(named);
  if (!S_ISREG(named.st_mode)) return found;
  const platform::unique_fd fd =
      platform::open_at(AT_FDCWD, names.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    return {};
  }
  if (!ec) examine(fd.get(), named, found);
  return found;
}

lock_inspection inspect(const std::filesystem::path& lock_path) {
  return detail::throwing("inspect", lock_path, [&](std::error_code& ec) { return inspect(lock_path, ec); });
}

}  // namespace lockkit::inline v0
