#pragma once
/// An inode opened for locking, with its kernel lock and its owner's record: the part that lock_file and file_mutex
/// share.

#include <filesystem>
#include <optional>

#include <lockkit/lock_options.hpp>

#include "kernel_lock.hpp"
#include "lock_inode.hpp"
#include "owner_stamp.hpp"

namespace lockkit::detail {

/// A descriptor shared by fork would give both processes the lock: whoever uses a guard closes it in a forked child and
/// opens it anew (closing alone releases nothing of the parent).
class guard {
 public:
  [[nodiscard]] bool is_open() const noexcept { return lock_.has_value(); }
  /// `sharing`: there are readers.
  void open(const std::filesystem::path& path, const lock_options& options, std::error_code& ec, bool sharing = false);
  void close() noexcept;

  [[nodiscard]] bool acquire(platform::lock_mode mode, wait_terms& terms, std::error_code& ec,
                             bool already_shares = false) {
    return lock_->acquire(mode, terms, ec, already_shares);
  }
  void release() noexcept { lock_->release(); }
  void downgrade(deadline patience, std::error_code& ec) noexcept { lock_->downgrade(patience, ec); }
  [[nodiscard]] bool try_upgrade(deadline patience, std::error_code& ec) noexcept {
    return lock_->try_upgrade(patience, ec);
  }

  [[nodiscard]] int fd() const noexcept { return inode_.fd.get(); }
  [[nodiscard]] const platform::inode_facts& facts() const noexcept { return inode_.facts; }
  [[nodiscard]] bool is_local() const noexcept { return inode_.kind == platform::filesystem_kind::local; }

 private:
  lock_inode inode_;
  std::optional<kernel_lock> lock_;
};

}  // namespace lockkit::detail
