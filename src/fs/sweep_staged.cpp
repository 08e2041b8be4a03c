// Removing what crashed writers left, and nothing else.
//
//  1. Only regular files and directories with a name of ours, of the own user (root: of anybody); and links with a
//     directory's name, which a publisher of the linked layout left just before he turned it.
//  2. A writer holds a shared flock on its file until it ends, however it ends. Who gets the exclusive one has the
//     proof that there is no writer.
//  3. That holds from the first moment for names that were born locked (see temporary_name.hpp). A file made with its
//     name is without a lock between open and flock; for it, and on network filesystems, age must speak as well.
//  4. Age is measured against a file made just now in the same directory: both times come from the filesystem's clock. A
//     time set by hand may lie ahead of it; that file is as old as no time at all.
//  5. Filesystems exist that grant every lock to everybody. Where a second lock on the same file is granted, a lock proves
//     nothing, and age speaks alone: a day without a write, for every name. A live writer that waits longer loses its file
//     there and is told so when it commits; the target is what it was.
//  6. The name is removed while the lock is held, and only if it still is the locked file's.
//  7. A directory can be a version that is read, by those who have a shared lock on it, or that a link leads to. It is
//     removed by the rules of tree_removal.cpp.
//  8. What changed places with a target (displaced_name.hpp) is removed only if it is one of the two that its name tells
//     of, and never where locks prove nothing. Anything else is somebody's update.

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/filesystem/directory.hpp>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/staged_file.hpp>

#include "core/throw_error.hpp"
#include "displaced_name.hpp"
#include "file_version.hpp"
#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "staged_sweep.hpp"
#include "staging.hpp"
#include "tree_removal.hpp"

namespace lockkit::inline v0 {
namespace {

constexpr std::chrono::seconds default_age = std::chrono::minutes(1);
constexpr std::chrono::seconds remote_age = std::chrono::hours(24);

struct staged_leftover {
  std::string name;
  detail::name_origin origin;
  bool is_tree = false;
  std::optional<detail::displacement> displaced{};
};

void add_leftover(std::string name, std::vector<staged_leftover>& found) {
  const auto file = detail::parse_temporary_name(name);
  const auto tree = detail::parse_temporary_name(name, detail::staged_tree_suffix);
  const auto displaced = detail::parse_displaced_name(name);
  if (file || tree) {
    found.push_back({std::move(name), file ? *file : *tree, tree.has_value(), {}});
  } else if (displaced) {
    found.push_back({std::move(name), detail::name_origin::born_locked, false, displaced});
  }
}

/// Rule 8.
bool is_dispensable(int file, const detail::displacement& known, std::error_code& ec) {
  for (const version_content content : {version_content::when_recent, version_content::always}) {
    const detail::version_marks marks = detail::marks_of(file, content, ec);
    if (ec) return false;
    const std::uint64_t mark = marks.with_content.value_or(marks.of_state);
    if (mark == known.replaced || mark == known.staged) return true;
  }
  return false;
}

std::vector<staged_leftover> list_leftovers(const std::filesystem::path& directory, std::error_code& ec) {
  std::vector<staged_leftover> found;
  boost::system::error_code failure;
  boost::filesystem::directory_iterator entry(directory.native(), failure);
  for (; !failure && entry != boost::filesystem::directory_iterator(); entry.increment(failure)) {
    add_leftover(entry->path().filename().native(), found);
  }
  ec = failure ? std::error_code(failure.value(), std::system_category()) : std::error_code();
  return found;
}

std::chrono::nanoseconds modified(const struct stat& file) noexcept {
  return std::chrono::seconds(file.st_mtim.tv_sec) + std::chrono::nanoseconds(file.st_mtim.tv_nsec);
}

enum class verdict { alive, dead, locks_do_not_work };

/// One pass over one directory.
class sweeper {
 public:
  sweeper(int directory, std::chrono::seconds minimum_age, bool dry_run, std::error_code& ec)
      : directory_(directory), dry_run_(dry_run) {
    remote_ = platform::filesystem_of(directory, ec) == platform::filesystem_kind::remote;
    minimum_age_ = remote_ ? std::max(minimum_age, remote_age) : minimum_age;
  }

  std::vector<std::string> sweep(const std::vector<staged_leftover>& files, std::error_code& ec) {
    std::vector<std::string> removed;
    for (const staged_leftover& file : files) {
      std::error_code failure;
      if (remove(file, failure)) removed.push_back(file.name);
      if (failure && failure != std::errc::no_such_file_or_directory && !ec)
        ec = failure;  // gone: somebody else's work
    }
    return removed;
  }

 private:
  bool remove(const staged_leftover& file, std::error_code& ec) {
    const struct stat found = platform::status_at(directory_, file.name.c_str(), ec);
    if (ec || !is_ours(found, file.is_tree)) return false;
    if ((remote_ || file.origin == detail::name_origin::opened) && !is_old(found, ec)) return false;
    if (S_ISLNK(found.st_mode)) return remove_link(file.name.c_str(), ec);
    // A version in use is not even locked for a moment: somebody may be about to read it.
    if (file.is_tree && (detail::is_linked(directory_, file.name.c_str(), ec) || ec)) return false;
    const platform::unique_fd held = file.is_tree ? take_tree(file.name.c_str(), ec) : take(file.name.c_str(), ec);
    if (!held) return false;
    if (locks_are_fake_ && (file.displaced || file.is_tree || !is_older_than(found, remote_age, ec))) return false;
    if (file.displaced && (remote_ || !is_dispensable(held.get(), *file.displaced, ec))) return false;
    const struct stat locked = platform::status(held.get(), ec);
    const struct stat named = ec ? locked : platform::status_at(directory_, file.name.c_str(), ec);
    if (ec || !platform::same_inode(locked, named)) return false;
    if (file.is_tree) return remove_dead_tree(file.name.c_str(), held.get(), ec);
    if (!dry_run_) platform::unlink_name(directory_, file.name.c_str(), ec);
    return !ec;
  }

  bool remove_link(const char* name, std::error_code& ec) const noexcept {
    if (!dry_run_) platform::unlink_name(directory_, name, ec);
    return !ec;
  }

  bool remove_dead_tree(const char* name, int held, std::error_code& ec) const {
    if (dry_run_) return !detail::is_linked(directory_, name, ec) && !ec;
    const bool removed = detail::remove_locked_tree(directory_, name, held, {}, ec);
    platform::unlock_flock(held);  // a forked child shares the description
    return removed;
  }

  static bool is_ours(const struct stat& file, bool is_tree) noexcept {
    const unsigned user = platform::effective_user();
    const bool right_kind = is_tree ? S_ISDIR(file.st_mode) || S_ISLNK(file.st_mode) : S_ISREG(file.st_mode);
    return right_kind && (file.st_uid == user || user == 0);
  }

  bool is_old(const struct stat& file, std::error_code& ec) { return is_older_than(file, minimum_age_, ec); }

  bool is_older_than(const struct stat& file, std::chrono::seconds age, std::error_code& ec) {
    if (now_ == std::chrono::nanoseconds::zero()) now_ = current_time(ec);
    return !ec && std::max(now_ - modified(file), std::chrono::nanoseconds::zero()) >= age;
  }

  std::chrono::nanoseconds current_time(std::error_code& ec) const {
    const detail::staging probe(directory_, "sweep", ec);
    if (ec) return {};
    return modified(platform::status(probe.fd(), ec));
  }

  /// The file with the exclusive lock, whatever that is worth here; nothing if it is alive.
  platform::unique_fd take(const char* name, std::error_code& ec) {
    for (const int access : {O_RDONLY, O_RDWR}) {  // NFS: exclusive locks need write access
      platform::unique_fd held = open(name, access, ec);
      if (ec) return {};
      const verdict found = judge(held.get(), name, access, ec);
      if (ec == std::errc::bad_file_descriptor) continue;
      locks_are_fake_ = found == verdict::locks_do_not_work;
      if (found != verdict::alive) return held;
      break;
    }
    return {};
  }

  /// Who may not list his own directory can't lock it either. If it turns out to be alive, its mode comes back.
  platform::unique_fd take_tree(const char* name, std::error_code& ec) {
    const platform::inode_facts found = platform::facts_at(directory_, name, ec);
    const bool closed = !ec && !dry_run_ && detail::can_be_made_listable(found);
    if (closed) platform::change_mode_at(directory_, name, found.mode | S_IRUSR, ec);
    platform::unique_fd held = ec ? platform::unique_fd() : take(name, ec);
    std::error_code ignored;
    if (closed && !held) platform::change_mode_at(directory_, name, found.mode, ignored);
    return held;
  }

  platform::unique_fd open(const char* name, int access, std::error_code& ec) const noexcept {
    return platform::open_at(directory_, name, access | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  }

  verdict judge(int fd, const char* name, int access, std::error_code& ec) const noexcept {
    if (!platform::try_flock(fd, platform::lock_mode::exclusive, ec)) return verdict::alive;
    const platform::unique_fd second = open(name, access, ec);
    if (ec) return verdict::alive;
    return platform::try_flock(second.get(), platform::lock_mode::exclusive, ec) ? verdict::locks_do_not_work
                                                                                 : verdict::dead;
  }

  int directory_;
  bool dry_run_;
  bool remote_ = true;
  bool locks_are_fake_ = false;
  std::chrono::seconds minimum_age_{};
  std::chrono::nanoseconds now_{};  // zero: not asked yet
};

}  // namespace

std::size_t sweep_staged(const std::filesystem::path& directory, std::chrono::seconds minimum_age,
                         std::error_code& ec) {
  return detail::sweep_staged_names(directory, minimum_age, false, ec).size();
}

std::size_t sweep_staged(const std::filesystem::path& directory) {
  return detail::throwing("sweep", directory,
                          [&](std::error_code& ec) { return sweep_staged(directory, default_age, ec); });
}

}  // namespace lockkit::inline v0

namespace lockkit::detail {

std::vector<std::string> sweep_staged_names(const std::filesystem::path& directory, std::chrono::seconds minimum_age,
                                            bool dry_run, std::error_code& ec) {
  const platform::unique_fd held = platform::open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec) return {};
  const std::vector<staged_leftover> files = list_leftovers(directory, ec);
  if (ec || files.empty()) return {};
  sweeper work(held.get(), minimum_age, dry_run, ec);
  return ec ? std::vector<std::string>() : work.sweep(files, ec);
}

}  // namespace lockkit::detail
