/// Who holds a lock file: read, never taken.
///
/// 1. The kernel's tables name the processes that hold the lock (kernel_holders.hpp).
/// 2. If they name none but the record's owner lives in another PID namespace, its process can't be seen from here.
/// Only
///    then the lock is tried, shared and for an instant.
/// 3. Who waits for a lockkit holder has marked the inode that the lock is on. Behind a foreign lock file the first one
///    holds the guard, the others wait for that.
#include <lockkit/inspect.hpp>

#include <fcntl.h>

#include <algorithm>
#include <iterator>

#include "core/throw_error.hpp"
#include "kernel_holders.hpp"
#include "lock_names.hpp"
#include "owner_stamp.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"

namespace lockkit::inline v0 {
namespace {

/// Rule 2.
bool lock_is_taken(int fd) noexcept {
  std::error_code ec;
  const bool got = platform::try_flock(fd, platform::lock_mode::shared, ec);
  if (got) platform::unlock_flock(fd);
  return !got;
}

/// Without any process that is seen to hold it.
lock_state judge(const lock_inspection& found, detail::record_kind kind, int fd) {
  if (kind == detail::record_kind::mutex) {
    const bool unseen = probe(*found.holder) == liveness::unknown;  // its last exclusive owner; sharers leave no record
    return unseen && lock_is_taken(fd) ? lock_state::held : lock_state::free;
  }
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

/// The record of a lock that stays names its last exclusive owner. Who holds the lock now is another one: a sharer, or
/// somebody who leaves no record (flock(1)). Across PID namespaces the numbers can't be compared.
void name_present_holder(lock_inspection& found) {
  if (found.holders.empty() || std::ranges::find(found.holders, found.holder->pid) != found.holders.end()) return;
  if (probe(*found.holder) == liveness::unknown) return;
  owner present;
  present.pid = found.holders.front();
  found.holder = std::move(present);
}

/// Rule 3.
void add_waiters_at_guard(const char* guard, const struct stat& inode, lock_inspection& found) {
  std::error_code ec;
  const struct stat waited_at = platform::status_at(AT_FDCWD, guard, ec);
  if (ec || platform::same_inode(waited_at, inode)) return;
  const detail::lock_parties at_guard = detail::find_parties(waited_at);
  for (const auto& pids : {at_guard.holders, at_guard.waiters}) {
    std::ranges::set_difference(pids, found.holders, std::back_inserter(found.waiters));
  }
  std::ranges::sort(found.waiters);
}

void examine(int fd, const struct stat& inode, lock_inspection& found) {
  std::error_code ec;
  const detail::record_view view = detail::read_record(fd, ec);
  found.holder = detail::parse_record(view.text());
  if (found.holder) {
    detail::lock_parties parties = detail::find_parties(inode);
    found.holders = std::move(parties.holders);
    found.waiters = std::move(parties.waiters);
    found.state = found.holders.empty() ? judge(found, detail::kind_of(view.text()), fd) : lock_state::held;
    if (detail::kind_of(view.text()) == detail::record_kind::mutex) name_present_holder(found);
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
  if (S_ISREG(named.st_mode)) {
    const platform::unique_fd fd =
        platform::open_at(AT_FDCWD, names.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
    if (ec == std::errc::no_such_file_or_directory) {
      ec.clear();
      return {};
    }
    if (ec) return found;
    examine(fd.get(), named, found);
  }
  if (found.state != lock_state::free) add_waiters_at_guard(names.guard.c_str(), named, found);
  return found;
}

lock_inspection inspect(const std::filesystem::path& lock_path) {
  return detail::throwing("inspect", lock_path, [&](std::error_code& ec) { return inspect(lock_path, ec); });
}

}  // namespace lockkit::inline v0
