#include "guard.hpp"

namespace lockkit::detail {

void guard::open(const std::filesystem::path& path, const lock_options& options, std::error_code& ec, bool sharing) {
  inode_ = open_lock_inode(path, options, ec);
  if (ec) return close();
  lock_.emplace(inode_.fd.get(), is_local(),
                lock_manners{.sharing = sharing, .in_order = options.order == wait_order::first_come});
}

void guard::close() noexcept {
  lock_.reset();
  inode_.fd.reset();
}

}  // namespace lockkit::detail
