#include <lockkit/publish_directory.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>
#include <vector>

#include "core/throw_error.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/names.hpp"

namespace lockkit::inline v0 {
namespace {

namespace fs = std::filesystem;

/// One tree into an empty directory.
///
///  1. Directories get their modes at the end: one of them may forbid writing, and one that is private keeps private until
///     then what lies in it.
///  2. Set-ID bits are copied only with the same owner and group: another's program would run as this user.
///  3. The copy is not itself copied: that would never end.
class tree_copy {
 public:
  tree_copy(fs::path from, fs::path to) : from_(std::move(from)), to_(std::move(to)) {}

  void copy(std::error_code& ec) {
    fs::recursive_directory_iterator entry(from_, ec);
    for (; !ec && entry != fs::recursive_directory_iterator(); entry.increment(ec)) {
      add(*entry, ec);
      if (ec) return;
    }
    for (auto directory = directories_.rbegin(); !ec && directory != directories_.rend(); ++directory) {
      fs::permissions(directory->first, directory->second, ec);
    }
  }

 private:
  void add(const fs::directory_entry& entry, std::error_code& ec) {
    const fs::file_status found = entry.symlink_status(ec);
    const fs::path to = to_ / entry.path().lexically_relative(from_);
    if (ec) return;
    if (fs::is_symlink(found)) {
      fs::copy_symlink(entry.path(), to, ec);
    } else if (fs::is_directory(found)) {
      if (fs::equivalent(entry.path(), to_, ec)) ec = std::make_error_code(std::errc::invalid_argument);  // rule 3
      if (!ec) platform::make_directory(AT_FDCWD, to.c_str(), S_IRWXU, ec);
      directories_.emplace_back(to, found.permissions());
    } else if (fs::is_regular_file(found)) {
      copy_one(entry.path(), to, ec);
    } else {
      ec = errc::not_a_regular_file;
    }
  }

  static void copy_one(const fs::path& from, const fs::path& to, std::error_code& ec) {
    const platform::unique_fd source = platform::open_at(AT_FDCWD, from.c_str(), O_RDONLY | O_NOFOLLOW, 0, ec);
    if (ec) return;
    constexpr unsigned only_owner = 0600;
    const platform::unique_fd copy =
        platform::open_at(AT_FDCWD, to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, only_owner, ec);
    if (ec) return;
    platform::clone_file(source.get(), copy.get(), ec);
    if (ec) platform::copy_file(source.get(), copy.get(), ec);  // which says what is really wrong
    if (!ec) copy_mode(source.get(), copy.get(), ec);
  }

  /// Rule 2.
  static void copy_mode(int source, int copy, std::error_code& ec) {
    const platform::inode_facts old = platform::facts(source, ec);
    const platform::inode_facts made = ec ? old : platform::facts(copy, ec);
    const bool same_owner = old.owner == made.owner && old.group == made.group;
    if (!ec) platform::change_mode(copy, old.mode & (same_owner ? 07777U : 01777U), ec);
  }

  fs::path from_;
  fs::path to_;
  std::vector<std::pair<fs::path, fs::perms>> directories_;
};

}  // namespace

publish_result publish_directory(const std::filesystem::path& target,
                                 const std::function<void(const std::filesystem::path& staged)>& fill, durability level,
                                 directory_publish_options options) {
  staged_directory staged(target, options);
  fill(staged.path());
  return staged.commit(level);
}

publish_result publish_directory_copy(const std::filesystem::path& source, const std::filesystem::path& target,
                                      durability level, directory_publish_options options, std::error_code& ec) {
  const fs::file_status root = fs::status(source, ec);
  if (!ec && !options.permissions) options.permissions = root.permissions();
  staged_directory staged(target, options, ec);
  if (!ec) tree_copy(source, staged.path()).copy(ec);
  return ec ? publish_result::published : staged.commit(level, ec);
}

publish_result publish_directory_copy(const std::filesystem::path& source, const std::filesystem::path& target,
                                      durability level, directory_publish_options options) {
  return detail::throwing("publish a copy at", target, [&](std::error_code& ec) {
    return publish_directory_copy(source, target, level, options, ec);
  });
}

}  // namespace lockkit::inline v0
