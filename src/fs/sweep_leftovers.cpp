// Removing what nobody needs any more beside the locks of a directory.
//
//  1. A guard is ours if it carries a lock file's record; nothing else of that look is touched, not even an empty file.
//  2. It is removed by whoever holds its kernel lock, if no other name leads to it, nobody has marked that he waits and
//     no other program has a record lock on it (rule 12 of lock_file.cpp).
//     Who opened it before, and comes to lock it after, finds that it has no name left when it links, and starts anew
//     (rule 4 of lock_file.cpp). So a guard can be removed at any moment; not while it is waited for, since all who wait
//     would start anew.
//  3. A second name is the lock file of a holder that is dead: its kernel lock is ours now. That name goes first.
//  4. A lock file prepared aside (rule 6 there) belongs to whoever holds the guard, so it is removed under the same lock.
//  5. Only on local filesystems: on others waiters leave no mark, and a lock that was lost on its server is still held.
//  6. Staged files by the rules of sweep_staged.cpp.
#include <fcntl.h>

#include <algorithm>

#include <lockkit/sweep_leftovers.hpp>

#include "core/throw_error.hpp"
#include "kernel_lock.hpp"
#include "owner_stamp.hpp"
#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/inode.hpp"
#include "platform/listing.hpp"
#include "platform/names.hpp"
#include "staged_sweep.hpp"
#include "temporary_name.hpp"

namespace lockkit::inline v0 {
namespace {

constexpr std::string_view guard_suffix = ".guard";

bool is_guard_name(std::string_view name) noexcept {
  return name.size() > guard_suffix.size() + 1 && name.front() == '.' && name.ends_with(guard_suffix);
}

/// `.<name>.guard.<inode>.<user>.tmp`
bool is_prepared_beside(std::string_view name, std::string_view guard) noexcept {
  constexpr std::string_view suffix = ".tmp";
  if (name.size() <= guard.size() + suffix.size() || !name.starts_with(guard) || !name.ends_with(suffix)) return false;
  const std::string_view numbers = name.substr(guard.size(), name.size() - guard.size() - suffix.size());
  return numbers.front() == '.' && numbers.find_first_not_of(".0123456789") == std::string_view::npos;
}

/// One directory's guards.
class guard_sweep {
 public:
  guard_sweep(int directory, const std::filesystem::path& path, std::vector<std::string> names, bool dry_run,
              std::vector<leftover>& found)
      : directory_(directory), path_(path), names_(std::move(names)), dry_run_(dry_run), found_(found) {}

  void sweep(std::error_code& ec) {
    for (const std::string& name : names_) {
      std::error_code failure;
      if (is_guard_name(name)) examine(name, failure);
      if (failure && failure != std::errc::no_such_file_or_directory && !ec) ec = failure;
    }
  }

 private:
  /// Rules 1 and 2.
  void examine(const std::string& guard, std::error_code& ec) {
    const platform::unique_fd file = open_guard(guard);
    if (!file) return;
    detail::kernel_lock lock(file.get(), true);
    detail::wait_terms at_once{deadline()};
    if (!lock.acquire(platform::lock_mode::exclusive, at_once, ec)) return;
    const platform::inode_facts facts = platform::facts(file.get(), ec);
    const bool waited_for = platform::is_any_byte_locked(file.get());
    if (!ec && !waited_for && is_named(guard, facts)) remove_all(guard, facts, ec);
    lock.release();
  }

  /// Nothing if it is not one of ours, or can't be opened as its users open it.
  platform::unique_fd open_guard(const std::string& guard) const {
    std::error_code ec;
    if (!platform::facts_at(directory_, guard.c_str(), ec).is_regular()) return {};
    platform::unique_fd file = platform::open_at(directory_, guard.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, ec);
    if (ec || !platform::facts(file.get(), ec).is_regular()) return {};
    const detail::record_view record = detail::read_record(file.get(), ec);
    const bool ours =
        !ec && detail::parse_record(record.text()) && detail::kind_of(record.text()) == detail::record_kind::lock_file;
    return ours ? std::move(file) : platform::unique_fd();
  }

  bool is_named(const std::string& name, const platform::inode_facts& facts) const noexcept {
    std::error_code ec;
    return platform::same_inode(platform::facts_at(directory_, name.c_str(), ec), facts) && !ec;
  }

  /// Rules 3 and 4.
  void remove_all(const std::string& guard, const platform::inode_facts& facts, std::error_code& ec) {
    const std::string planted = guard.substr(1, guard.size() - 1 - guard_suffix.size());
    const bool left_locked = facts.links == 2 && is_named(planted, facts);
    if (facts.links != 1 && !left_locked) return;  // a name that we can't derive
    if (left_locked) remove(planted, leftover_kind::lock_file, ec);
    for (const std::string& name : names_) {
      if (!ec && is_prepared_beside(name, guard)) remove(name, leftover_kind::staged_file, ec);
    }
    if (!ec) remove(guard, leftover_kind::guard, ec);
  }

  void remove(const std::string& name, leftover_kind kind, std::error_code& ec) {
    if (!dry_run_) platform::unlink_name(directory_, name.c_str(), ec);
    if (!ec) found_.push_back({path_ / name, kind});
  }

  int directory_;
  const std::filesystem::path& path_;
  std::vector<std::string> names_;
  bool dry_run_;
  std::vector<leftover>& found_;
};

}  // namespace

std::vector<leftover> sweep_leftovers(const std::filesystem::path& directory, const sweep_options& options,
                                      std::error_code& ec) {
  std::vector<leftover> found;
  const platform::unique_fd held = platform::open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec) return found;
  std::vector<std::string> names = platform::names_in(held.get(), ec);
  const bool local = !ec && platform::filesystem_of(held.get(), ec) == platform::filesystem_kind::local;
  if (ec) return found;
  if (local) guard_sweep(held.get(), directory, std::move(names), options.dry_run, found).sweep(ec);
  std::error_code failure;
  for (const std::string& name : detail::sweep_staged_names(directory, options.minimum_age, options.dry_run, failure)) {
    const bool tree = detail::is_tree_name(name);
    found.push_back({directory / name, tree ? leftover_kind::staged_directory : leftover_kind::staged_file});
  }
  if (!ec) ec = failure;
  std::ranges::sort(found, {}, &leftover::path);
  return found;
}

std::vector<leftover> sweep_leftovers(const std::filesystem::path& directory, const sweep_options& options) {
  return detail::throwing("sweep", directory,
                          [&](std::error_code& ec) { return sweep_leftovers(directory, options, ec); });
}

}  // namespace lockkit::inline v0
