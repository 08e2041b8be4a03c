#include "tree_walk.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "directory_making.hpp"
#include "platform/file.hpp"
#include "platform/listing.hpp"

namespace lockkit::detail {
namespace {

/// A directory that the walk is in, or below.
struct tree_level {
  std::string name;
  platform::inode_facts identity;
  std::vector<std::string> to_visit;  // from the back
};

class tree_traversal {
 public:
  explicit tree_traversal(tree_visitor& visitor) : visitor_(visitor) {}

  void go(int root, std::error_code& ec) {
    descend(root, ".", ec);
    while (!ec && !levels_.empty()) {
      tree_level& here = levels_.back();
      if (here.to_visit.empty()) {
        ascend(ec);
      } else {
        const std::string name = std::move(here.to_visit.back());
        here.to_visit.pop_back();
        step(name, ec);
      }
    }
  }

 private:
  void step(const std::string& name, std::error_code& ec) {
    const platform::inode_facts facts = platform::facts_at(current_.get(), name.c_str(), ec);
    if (!ec && !S_ISDIR(facts.mode)) visitor_.visit(current_.get(), name.c_str(), facts, ec);
    if (!ec && S_ISDIR(facts.mode)) check_mount(facts, ec);
    if (!ec && S_ISDIR(facts.mode)) visitor_.approach(current_.get(), name.c_str(), facts, ec);
    if (!ec && S_ISDIR(facts.mode)) descend(current_.get(), name, ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
  }

  void check_mount(const platform::inode_facts& directory, std::error_code& ec) const noexcept {
    if (directory.mount_root && !visitor_.enters_mounts()) ec = mounted_on();
  }

  void descend(int parent, const std::string& name, std::error_code& ec) {
    platform::unique_fd below = platform::open_at(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ec);
    if (ec) return;
    tree_level level{name, platform::facts(below.get(), ec), {}};
    if (!ec && !levels_.empty()) check_mount(level.identity, ec);  // mounted since the look
    if (!ec) level.to_visit = platform::names_in(below.get(), ec);
    if (ec) return;
    current_.swap(below);
    levels_.push_back(std::move(level));
  }

  void ascend(std::error_code& ec) {
    visitor_.leave(current_.get(), ec);
    if (ec) return;
    const std::string name = std::move(levels_.back().name);
    levels_.pop_back();
    if (levels_.empty()) return;
    platform::unique_fd above = platform::open_at(current_.get(), "..", O_RDONLY | O_DIRECTORY, 0, ec);
    if (ec) return;
    const bool same = platform::same_inode(platform::facts(above.get(), ec), levels_.back().identity);
    if (!ec && !same) ec = vanished();
    if (ec) return;
    current_.swap(above);
    if (visitor_.left(current_.get(), name.c_str(), ec) && !ec) levels_.back().to_visit.push_back(name);
  }

  tree_visitor& visitor_;
  platform::unique_fd current_;
  std::vector<tree_level> levels_;
};

}  // namespace

void walk_tree(int root, tree_visitor& visitor, std::error_code& ec) {
  tree_traversal(visitor).go(root, ec);
}

}  // namespace lockkit::detail
