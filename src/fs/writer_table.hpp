#pragma once
/// Who has which file open for writing, by /proc: for files of which the kernel does not tell by a lease.

#include <cstdint>
#include <set>
#include <utility>

namespace lockkit::detail {

/// Filled at the first question. Shows writable descriptors of those processes that we may look at; a writable mapping
/// whose descriptor is closed does not show. It can say "yes", never "no".
class writer_table {
 public:
  [[nodiscard]] bool has(std::uint64_t device, std::uint64_t inode);

 private:
  bool filled_ = false;
  std::set<std::pair<std::uint64_t, std::uint64_t>> open_;
};

}  // namespace lockkit::detail
