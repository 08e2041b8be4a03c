#pragma once
/// cache_lease: a content of a mirror_cache whose name stays.
///
/// Whoever reads through an entry's descriptor needs none of this. A lease is for those who must hand the path to
/// somebody: a program that opens it by name, a symbolic link, a tool that maps it.

#include <filesystem>
#include <memory>
#include <system_error>

#include <lockkit/cache_entry.hpp>
#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// While it lives, entry().path() leads to the content: removals, evictions, sweeps and repairs by any process leave the
/// name, and say so; it goes with a sweep after the last lease. The key may go, or be refreshed.
///
/// It is a kernel lock on the content, so the death of its process ends it; any number of processes may have one. A forked
/// child does not own its parent's: destroying it there ends nothing (but a child that lives on after its parent's death
/// without executing another program keeps the name for as long). A damaged content is replaced by a good one under the
/// same name. Caveat: a program that removes files in the cache itself asks nobody.
class LOCKKIT_API cache_lease {
 public:
  /// errc::not_cached if the name has gone already: ask the cache again, or let mirror_cache::lease() do that.
  explicit cache_lease(cache_entry entry);
  cache_lease(cache_entry entry, std::error_code& ec);
  ~cache_lease();
  cache_lease(cache_lease&& other) noexcept;
  cache_lease& operator=(cache_lease&& other) noexcept;  ///< releases what was held

  [[nodiscard]] const cache_entry& entry() const noexcept;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return entry().path(); }
  /// False after release(), after a failed constructor, and in a forked child.
  [[nodiscard]] bool held() const noexcept;
  void release() noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
