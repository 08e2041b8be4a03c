#include "kernel_holders.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <charconv>

#include "owner_stamp.hpp"
#include "platform/lock.hpp"

namespace lockkit::detail {
namespace {

namespace bfs = boost::filesystem;

enum class part { none, waits, holds };

/// Of a lock's lines in fdinfo: a waiter's mark is the only record lock that is ever set on such a file without flock.
part shown_part(const std::string& fdinfo) noexcept {
  const std::size_t at = fdinfo.find("lock:");
  if (at == std::string::npos) return part::none;
  if (fdinfo.find("FLOCK", at) != std::string::npos) return part::holds;
  return fdinfo.find("OFDLCK", at) != std::string::npos ? part::waits : part::none;
}

bool is_open_on(const std::string& fd_path, const struct stat& inode) noexcept {
  std::error_code ec;
  const platform::unique_fd link = platform::open_at(AT_FDCWD, fd_path.c_str(), O_PATH, 0, ec);
  return !ec && platform::same_inode(platform::status(link.get(), ec), inode);
}

part part_of(const std::string& pid, const struct stat& inode) {
  part found = part::none;
  boost::system::error_code stop;
  for (bfs::directory_iterator fd("/proc/" + pid + "/fd", stop), end; !stop && fd != end; fd.increment(stop)) {
    if (!is_open_on(fd->path().string(), inode)) continue;
    std::error_code ec;
    const std::string info = fmt::format("/proc/{}/fdinfo/{}", pid, fd->path().filename().string());
    found = std::max(found, shown_part(platform::read_small_file(AT_FDCWD, info.c_str(), 4096, ec)));
  }
  return found;
}

}  // namespace

lock_parties find_parties(const struct stat& inode) {
  lock_parties found;
  boost::system::error_code stop;
  for (bfs::directory_iterator process("/proc", stop), end; !stop && process != end; process.increment(stop)) {
    const std::string name = process->path().filename().string();
    std::int32_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const part its = part_of(name, inode);
    if (its == part::holds) found.holders.push_back(pid);
    if (its == part::waits) found.waiters.push_back(pid);
  }
  std::ranges::sort(found.holders);
  std::ranges::sort(found.waiters);
  return found;
}

namespace {

/// What can be told of a process that left no record.
owner describe_process(std::int32_t pid) {
  owner who = current_process();
  who.pid = pid;
  who.pidfd_inode = who.start_time = 0;
  std::error_code ec;
  who.command = platform::read_small_file(AT_FDCWD, fmt::format("/proc/{}/comm", pid).c_str(), 16, ec);
  std::erase(who.command, '\n');
  return who;
}

}  // namespace

owner find_record_locker(const char* path) {
  std::error_code ec;
  const platform::unique_fd file = platform::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec) return {};
  const std::int32_t pid = platform::content_locker(file.get());
  return pid > 0 ? describe_process(pid) : owner();
}

owner find_mutex_holder(const char* path, bool& foreign) {
  owner last = read_owner(path, foreign);
  std::error_code ec;
  const struct stat inode = platform::status_at(AT_FDCWD, path, ec);
  if (ec || (last.pid != 0 && part_of(fmt::format("{}", last.pid), inode) == part::holds)) return last;
  const std::vector<std::int32_t> holders = find_parties(inode).holders;
  return holders.empty() ? last : describe_process(holders.front());
}

}  // namespace lockkit::detail
