// The protocol of staging a directory.
//
//  1. It is made in the target's directory, which is held open: the same mount, and syncing it later reports every error.
//  2. A shared flock on it says "alive". Who removes trees takes the exclusive one, and the kernel releases ours with our
//     death. Shared, because readers of a published tree share it: it is the same lock that keeps a snapshot.
//  3. It is without that lock between mkdir and flock: a sweep asks for its age as well. Who was stopped there for so long
//     that his directory was swept makes a new one.
//  4. A forked child shares the description and the name, and owns neither. The lock is given up by unlocking, not by
//     closing alone: a child that is left would keep it.
// How it gets its place: tree_place.cpp.

#include "staged_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "tree_removal.hpp"

namespace lockkit::detail {
namespace {

/// To create with: at no time more than what was asked for, but enough to fill it.
unsigned tree_creation_mode(const directory_publish_options& options) noexcept {
  constexpr unsigned any_directory = 0777;
  return options.permissions ? (static_cast<unsigned>(*options.permissions) & any_directory) | S_IRWXU : any_directory;
}

}  // namespace

staged_tree::staged_tree(int directory, std::string_view base, const directory_publish_options& options,
                         std::error_code& ec)
    : directory_(directory), base_(base), options_(options), generation_(platform::process_generation()) {
  make(ec);
  if (ec) discard();
}

staged_tree::~staged_tree() {
  discard();
}

void staged_tree::make(std::error_code& ec) {
  for (int attempt = 0; attempt < name_attempts; ++attempt) {
    if (try_make(ec)) return;
  }
  if (!ec) ec = std::make_error_code(std::errc::resource_unavailable_try_again);
}

/// False: try another name.
bool staged_tree::try_make(std::error_code& ec) {
  name_ = temporary_name(base_, name_origin::opened, ec, staged_tree_suffix);
  if (!ec) platform::make_directory(directory_, name_.data(), tree_creation_mode(options_), ec);
  if (ec) return ec != std::errc::file_exists;
  tree_ = platform::open_at(directory_, name_.data(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) return false;
  std::error_code unlockable;  // without working locks nobody sweeps by them
  const bool locked = !ec && platform::try_flock(tree_.get(), platform::lock_mode::shared, unlockable);
  const bool swept = !ec && ((!locked && !unlockable) || !is_named(name_.data(), ec));
  if (ec) {  // as when not even we may open it: a umask without our own bits
    std::error_code ignored;
    platform::remove_directory(directory_, name_.data(), ignored);
  }
  if (swept && !ec) close();
  return !swept || ec;
}

bool staged_tree::is_own_process() const noexcept {
  return generation_ == platform::process_generation();
}

bool staged_tree::is_named(const char* name, std::error_code& ec) const noexcept {
  const platform::inode_facts there = platform::facts_at(directory_, name, ec);
  const platform::inode_facts own = ec ? there : platform::facts(tree_.get(), ec);
  const bool same = !ec && platform::same_inode(there, own);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return same;
}

bool staged_tree::is_at(const char* name) const noexcept {
  std::error_code untold;
  return is_named(name, untold);
}

void staged_tree::discard() noexcept {
  if (!tree_) return;
  std::error_code ignored;
  if (!published_ && is_own_process()) remove_tree(directory_, name_.data(), tree_.get(), ignored);
  close();
}

void staged_tree::close() noexcept {
  if (tree_ && is_own_process()) platform::unlock_flock(tree_.get());
  tree_.reset();
}

}  // namespace lockkit::detail
