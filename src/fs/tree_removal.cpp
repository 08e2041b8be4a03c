// Removing a tree.
//
//  1. Only what is named by descriptors is removed: nobody can lead the removal elsewhere by a link or a rename.
//  2. A tree that others may read is removed only under its exclusive lock: its readers hold the shared one.
//  3. Before its first file goes, its parent is synced. The rename that displaced it may not have reached the disk: a power
//     cut would bring the old name back, to a tree with holes.
//  4. A version of the linked layout is in use as long as a link leads to it. Its maker held the tree's lock while it made
//     that link, so who has the lock sees it.
//  5. What is mounted in the tree, or over it, is somebody else's: it is not entered. The tree stays until it is unmounted.
//  6. Others can add names until the last moment: a directory that is not empty any more is walked again.

#include "tree_removal.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "platform/file.hpp"
#include "platform/listing.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "tree_sync.hpp"
#include "tree_walk.hpp"

namespace lockkit::detail {
namespace {

constexpr int removal_rounds = 32;
constexpr unsigned all_for_owner = S_IRWXU;

bool is_filled_again(const std::error_code& ec) noexcept {
  return ec == std::errc::directory_not_empty || ec == std::errc::file_exists;
}

bool opens_up(const platform::inode_facts& directory) noexcept {
  return (directory.mode & all_for_owner) != all_for_owner && directory.owner == platform::effective_user();
}

class tree_remover final : public tree_visitor {
 public:
  [[nodiscard]] bool enters_mounts() const override { return false; }  // rule 5
  void approach(int parent, const char* name, const platform::inode_facts& facts, std::error_code& ec) override {
    if (opens_up(facts)) platform::change_mode_at(parent, name, facts.mode | all_for_owner, ec);
  }
  void visit(int directory, const char* name, const platform::inode_facts& /*facts*/, std::error_code& ec) override {
    platform::unlink_name(directory, name, ec);
    // A directory by now: its own parent will not be empty, and is walked again.
    if (ec == std::errc::no_such_file_or_directory || ec == std::errc::is_a_directory) ec.clear();
  }
  bool left(int parent, const char* name, std::error_code& ec) override {
    platform::remove_directory(parent, name, ec);
    const bool again = is_filled_again(ec) && --rounds_ > 0;
    if (again || ec == std::errc::no_such_file_or_directory) ec.clear();
    return again;
  }

 private:
  int rounds_ = removal_rounds;
};

platform::unique_fd open_tree(int parent, const char* name, std::error_code& ec) noexcept {
  const platform::inode_facts facts = platform::facts_at(parent, name, ec);
  if (!ec && can_be_made_listable(facts)) platform::change_mode_at(parent, name, facts.mode | S_IRUSR, ec);
  return ec ? platform::unique_fd() : platform::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ec);
}

bool still_named(int parent, const char* name, int tree, std::error_code& ec) {
  const platform::inode_facts there = platform::facts_at(parent, name, ec);
  const platform::inode_facts own = ec ? there : platform::facts(tree, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    return false;
  }
  return !ec && platform::same_inode(there, own);
}

}  // namespace

bool can_be_made_listable(const platform::inode_facts& directory) noexcept {
  return S_ISDIR(directory.mode) && (directory.mode & S_IRUSR) == 0 && !directory.mount_root && opens_up(directory);
}

void remove_tree(int parent, const char* name, int tree, std::error_code& ec) {
  const platform::inode_facts facts = platform::facts(tree, ec);
  if (!ec && facts.mount_root) ec = mounted_on();
  if (!ec && opens_up(facts)) platform::change_mode(tree, facts.mode | all_for_owner, ec);
  for (int round = 0; !ec && round < removal_rounds; ++round) {
    if (!still_named(parent, name, tree, ec)) return;
    tree_remover remover;
    walk_tree(tree, remover, ec);
    if (!ec) platform::remove_directory(parent, name, ec);
    if (!is_filled_again(ec)) return;
    if (round + 1 < removal_rounds) ec.clear();
  }
}

bool is_linked(int directory, const char* name, std::error_code& ec) {
  const platform::unique_fd listed = platform::open_at(directory, ".", O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec) return true;
  const std::vector<std::string> names = platform::names_in(listed.get(), ec);
  if (ec) return true;
  return std::ranges::any_of(names, [&](const std::string& each) {
    std::error_code gone;
    const bool link = S_ISLNK(platform::facts_at(directory, each.c_str(), gone).mode);
    return link && platform::read_link(directory, each.c_str(), gone) == name;
  });
}

bool remove_locked_tree(int parent, const char* name, int tree, removal_terms terms, std::error_code& ec) {
  ec.clear();
  if (terms.look_for_links && is_linked(parent, name, ec)) return false;
  if (terms.sync_parent) detail::sync_parent(parent, tree, ec);
  if (!ec) remove_tree(parent, name, tree, ec);
  return !ec;
}

bool remove_unused_tree(int parent, const char* name, removal_terms terms, std::error_code& ec) {
  const platform::unique_fd tree = open_tree(parent, name, ec);
  if (ec || !platform::try_flock(tree.get(), platform::lock_mode::exclusive, ec)) return false;
  bool removed = false;
  const platform::unique_fd second = open_tree(parent, name, ec);
  // Filesystems exist that grant every lock to everybody: there it proves nothing.
  const bool real = !ec && !platform::try_flock(second.get(), platform::lock_mode::exclusive, ec) && !ec;
  if (real) removed = remove_locked_tree(parent, name, tree.get(), terms, ec);
  platform::unlock_flock(tree.get());  // a forked child shares the description
  return removed;
}

}  // namespace lockkit::detail
