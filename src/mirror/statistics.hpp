#pragma once
/// Counting: what lies in a cache, and what was asked of an object.

#include <atomic>
#include <system_error>

#include <lockkit/cache_record.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

/// Of one directory. Anything that can't be looked at counts nothing.
[[nodiscard]] directory_statistics count_directory(const cache_layout& layout, std::error_code& ec);

/// Used by all threads.
class request_counter {
 public:
  void asked() noexcept { ++requests_; }
  void answered(bool fetched_here, std::uint64_t bytes) noexcept {
    if (!fetched_here) {
      ++hits_;
      return;
    }
    ++fetches_;
    fetched_bytes_ += bytes;
  }
  [[nodiscard]] request_statistics read() const noexcept;

 private:
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> fetches_{0};
  std::atomic<std::uint64_t> fetched_bytes_{0};
};

}  // namespace lockkit::detail
