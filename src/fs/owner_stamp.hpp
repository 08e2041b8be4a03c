#pragma once
/// The owner's record inside a locked inode, kept by each lock object so that an acquisition only changes the digits.

#include <string>
#include <string_view>
#include <system_error>

#include <lockkit/owner.hpp>

#include "core/owner_record.hpp"

namespace lockkit::detail {

class LOCKKIT_PRIVATE_API owner_stamp {
 public:
  owner_stamp(std::string label, record_kind kind) : label_(std::move(label)), kind_(kind) {}

  /// Writes this process as the owner into the inode, whose kernel lock the caller holds. Returns the token: one more
  /// than the record's, and at least the wall clock in nanoseconds, so that it still grows if the record was destroyed.
  /// Only over what lockkit wrote, or over nothing, else errc::not_a_lock_file: somebody may have put data there while
  /// the lock was waited for. `over_anything`: the caller has made sure that nobody has.
  fencing_token write(int fd, std::error_code& ec, bool over_anything = false);
  /// The same record with an earlier write's token into another inode.
  void copy_to(int fd, std::error_code& ec) const;

 private:
  std::string label_;
  record_kind kind_;
  std::uint64_t generation_ = 0;
  reusable_record record_;
};

/// What stands at the start of the file, up to record_size bytes.
struct record_view {
  record_bytes bytes{};
  std::size_t size = 0;
  [[nodiscard]] std::string_view text() const noexcept { return {bytes.data(), size}; }
};
[[nodiscard]] LOCKKIT_PRIVATE_API record_view read_record(int fd, std::error_code& ec) noexcept;

/// Whoever holds `path`, as far as a file there says; no one (pid 0) if it can't be read.
[[nodiscard]] LOCKKIT_PRIVATE_API owner read_owner(const char* path, bool& foreign);

}  // namespace lockkit::detail
