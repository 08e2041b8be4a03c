#include "tree_sync.hpp"

#include <fcntl.h>

#include "platform/file.hpp"
#include "tree_walk.hpp"

namespace lockkit::detail {
namespace {

/// With more files than this, one sync of the whole filesystem is quicker, though it carries along what others wrote.
constexpr std::size_t one_by_one = 64;

/// Ends the walk as soon as it is known that there are many.
class tree_counter final : public tree_visitor {
 public:
  void visit(int /*directory*/, const char* /*name*/, const platform::inode_facts& facts,
             std::error_code& ec) override {
    if (facts.is_regular() && ++files_ > one_by_one) ec = std::make_error_code(std::errc::file_too_large);
  }
  [[nodiscard]] bool many() const noexcept { return files_ > one_by_one; }

 private:
  std::size_t files_ = 0;
};

class tree_syncer final : public tree_visitor {
 public:
  void visit(int directory, const char* name, const platform::inode_facts& facts, std::error_code& ec) override {
    if (!facts.is_regular()) return;
    // What a FIFO put there in this moment would do to an open is to wait: O_NONBLOCK.
    const platform::unique_fd file = platform::open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
    if (!ec) platform::sync_file(file.get(), ec);
  }
  void leave(int directory, std::error_code& ec) override { platform::sync_file(directory, ec); }
};

}  // namespace

void sync_tree(int root, std::error_code& ec) {
  tree_counter counter;
  walk_tree(root, counter, ec);
  if (!ec) {
    tree_syncer syncer;
    walk_tree(root, syncer, ec);
  }
  if (counter.many() || ec == std::errc::permission_denied) platform::sync_filesystem(root, ec);
}

void sync_parent(int directory, int tree, std::error_code& ec) noexcept {
  platform::sync_file(directory, ec);
  const bool impossible = ec == std::errc::invalid_argument || ec == std::errc::operation_not_supported ||
                          ec == std::errc::bad_file_descriptor;
  if (impossible) platform::sync_filesystem(tree, ec);
}

}  // namespace lockkit::detail
