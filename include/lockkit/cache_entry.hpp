#pragma once
/// A content of a mirror_cache that somebody uses.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// One content, pinned: stays readable through this object whatever happens to the cache. Copies share it.
/// Used from several threads freely.
class LOCKKIT_API cache_entry {
 public:
  [[nodiscard]] const std::string& key() const noexcept;
  /// 64 lowercase hexadecimal digits.
  [[nodiscard]] const std::string& sha256() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept;
  [[nodiscard]] std::chrono::system_clock::time_point fetched_at() const noexcept;
  /// Whether this request ran the fetch itself, be it only to hear that nothing was modified.
  [[nodiscard]] bool fetched_here() const noexcept;
  /// Why the fetch failed that should have brought a newer content (offline_mode::stale_if_error); empty if none did.
  [[nodiscard]] const std::string& stale_reason() const noexcept;
  /// 0: from the cache's own directory; n: from cache_options::layers[n - 1].
  [[nodiscard]] std::size_t layer() const noexcept;
  /// Read-only file in the cache. The name can vanish when the key is evicted or removed, or refreshed and the old content
  /// swept, unless there is a cache_lease; the handle below can't.
  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// A read-only descriptor owned by this object, close-on-exec; share it with pread, not with seek.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend class mirror_cache;
  struct impl;
  explicit cache_entry(std::shared_ptr<const impl> state) noexcept : impl_(std::move(state)) {}
  std::shared_ptr<const impl> impl_;
};

}  // namespace lockkit::inline v0
