// Removing a lock file whose holder is dead.
//
//  1. A dead lockkit holder's: acquire and release. The kernel proves that nobody holds it, and no file of anybody else
//     can be hit.
//  2. Another program's: open it, take the kernel's lock on that very inode (two breakers, or a holder that has it locked,
//     exclude each other), read it again, judge, compare the name with the inode, unlink. The open descriptor keeps the
//     inode's number from being reused meanwhile.
//  3. A PID is judged as in dead_script.hpp, here and in the PID namespaces below, and only if the record names this host
//     or none, on a filesystem that no other host can share. Anything that can't be judged is alive.
//  4. By force: the name is unlinked if it still is the inode that was looked at; of lockkit's locks then the guard, too,
//     or nobody else could enter.
#include <fcntl.h>

#include <lockkit/break_lock.hpp>
#include <lockkit/lock_file.hpp>

#include "core/throw_error.hpp"
#include "dead_script.hpp"
#include "lock_names.hpp"
#include "owner_stamp.hpp"
#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/inode.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::inline v0 {
namespace {

bool is_still(const std::filesystem::path& path, const platform::inode_facts& looked_at, std::error_code& ec) noexcept {
  const platform::inode_facts named = platform::facts_at(AT_FDCWD, path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return !ec && platform::same_inode(named, looked_at);
}

/// Rule 3.
bool is_dead(int fd, const break_options& options, std::error_code& ec) {
  if (platform::filesystem_of(fd, ec) != platform::filesystem_kind::local) return false;
  const detail::record_view record = detail::read_record(fd, ec);
  const struct stat file = platform::status(fd, ec);
  if (ec) return false;
  lock_options empty;
  empty.reclaim_empty_after = options.empty_age;
  if (record.size == 0) return detail::is_left_by_dead_script({}, file, empty);
  const auto holder = detail::parse_foreign(record.text());
  if (!holder || (!holder->host.empty() && holder->host != current_process().host)) return false;
  return detail::is_nobodys(holder->pid);
}

/// Rule 2.
break_result break_foreign(const std::filesystem::path& path, const break_options& options, std::error_code& ec) {
  if (!platform::facts_at(AT_FDCWD, path.c_str(), ec).is_regular()) return break_result::refused;
  const platform::unique_fd file = platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  const platform::inode_facts opened = ec ? platform::inode_facts() : platform::facts(file.get(), ec);
  if (ec || !opened.is_regular()) return break_result::refused;
  const bool locked = platform::try_flock(file.get(), platform::lock_mode::exclusive, ec);
  if (ec || (!options.force && (!locked || !is_dead(file.get(), options, ec)))) return break_result::refused;
  if (!is_still(path, opened, ec)) return ec ? break_result::refused : break_result::nothing_there;
  platform::unlink_name(AT_FDCWD, path.c_str(), ec);
  return ec ? break_result::refused : break_result::broken;
}

/// Rule 4, for lockkit's own.
break_result break_held(const detail::lock_names& names, std::error_code& ec) {
  const platform::inode_facts planted = platform::facts_at(AT_FDCWD, names.path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (!ec && planted.inode != 0 && is_still(names.path, planted, ec)) {
    platform::unlink_name(AT_FDCWD, names.path.c_str(), ec);
  }
  if (ec) return break_result::refused;
  platform::unlink_name(AT_FDCWD, names.guard.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return break_result::broken;
}

bool is_mutex(const std::filesystem::path& path) noexcept {
  std::error_code ec;
  const platform::unique_fd file = platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec) return false;
  const detail::record_view record = detail::read_record(file.get(), ec);
  return !ec && detail::parse_record(record.text()) && detail::kind_of(record.text()) == detail::record_kind::mutex;
}

/// Rule 1.
break_result break_stale(const detail::lock_names& names, std::error_code& ec) {
  lock_file lock(names.path);
  if (!lock.try_lock(ec)) return break_result::refused;
  lock.unlock();
  return break_result::broken;
}

break_result break_what_stands(const detail::lock_names& names, const lock_inspection& found,
                               const break_options& options, std::error_code& ec) {
  switch (found.state) {
    case lock_state::free:
      return break_result::nothing_there;
    case lock_state::stale:
      return break_stale(names, ec);
    case lock_state::held:
      return options.force ? break_held(names, ec) : break_result::refused;
    case lock_state::foreign:
      return break_foreign(names.path, options, ec);
  }
  return break_result::refused;
}

}  // namespace

break_report break_lock(const std::filesystem::path& lock_path, const break_options& options, std::error_code& ec) {
  break_report report;
  const detail::lock_names names = detail::name_lock(lock_path, ec);
  if (!ec) report.found = inspect(names.path, ec);
  if (ec) return report;
  const bool removable = report.found.state == lock_state::free || !report.found.holder || !is_mutex(names.path);
  if (removable) report.result = break_what_stands(names, report.found, options, ec);
  return report;
}
break_report break_lock(const std::filesystem::path& lock_path, const break_options& options) {
  return detail::throwing("break", lock_path, [&](std::error_code& ec) { return break_lock(lock_path, options, ec); });
}

}  // namespace lockkit::inline v0
