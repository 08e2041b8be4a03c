#pragma once
/// Depth first through a directory tree by descriptors: no path is ever built, no symbolic link followed, and no more than
/// two descriptors are open, so that trees deeper than PATH_MAX, and than the limit of open files, are nothing special.

#include <string>
#include <system_error>

#include "platform/inode.hpp"

namespace lockkit::detail {

/// What is done on the way. Each call may end the walk with a code.
class tree_visitor {
 public:
  tree_visitor() = default;
  tree_visitor(const tree_visitor&) = delete;
  tree_visitor& operator=(const tree_visitor&) = delete;
  virtual ~tree_visitor() = default;

  /// Whether directories that something else is mounted on are walked, too. If not, the walk ends there with EBUSY.
  [[nodiscard]] virtual bool enters_mounts() const { return true; }
  /// Before the directory is opened.
  virtual void approach(int /*parent*/, const char* /*name*/, const platform::inode_facts&, std::error_code&) {}
  /// Anything but a directory.
  virtual void visit(int directory, const char* name, const platform::inode_facts& facts, std::error_code& ec) = 0;
  /// All that it held has been visited; the root's turn comes last.
  virtual void leave(int /*directory*/, std::error_code&) {}
  /// The same for a directory that is not the root, seen from its parent. True: it must be walked once more.
  virtual bool left(int /*parent*/, const char* /*name*/, std::error_code&) { return false; }
};

/// What is mounted on a directory is not part of its tree.
[[nodiscard]] inline std::error_code mounted_on() noexcept {
  return std::make_error_code(std::errc::device_or_resource_busy);
}

/// Walks through what the open directory holds. What vanishes meanwhile is passed over. ESTALE: a directory was moved
/// elsewhere while the walk was in it.
void walk_tree(int root, tree_visitor& visitor, std::error_code& ec);

}  // namespace lockkit::detail
