#pragma once
/// Where things lie in a cache directory.
///
///   b/ab/<sha256>   contents, immutable, read-only; the name is the digest
///   k/ab/<name>     what is current for a key; <name> is the SHA-256 of the key
///   l/ab/<name>     the key's lock, a file_mutex; never deleted
///   q/              second names of contents that were replaced while somebody had a lease on them (content_removal.cpp)
///   t/              contents on their way; nothing there is worth keeping
///   p/              what fetches that ended early have left for the next, <name>.<random> and its record (partial_file.hpp)
///   evict           a file_mutex: one eviction at a time
///   gate, gate-turn file_mutexes: shared while a content and its record appear, exclusive while contents go (gate.hpp)
///   CACHEDIR.TAG    tells backups that this can be made again
///
/// Keys never become file names: they are hashed, so no key can leave the directory or clash with its neighbours.
/// Nothing here keeps a descriptor. Every step starts from the absolute path, so a cache directory that was removed,
/// renamed or made anew is noticed by the very next step, and a forked child can go on; a path of two or three more
/// components costs the kernel less than asking whether a kept descriptor is still the right one.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/mirror_cache.hpp>

#include "content_proof.hpp"
#include "obstacles.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

class cache_layout {
 public:
  /// Makes the directory if needed. One that stands but can't be written is accepted: it serves hits.
  cache_layout(const std::filesystem::path& directory, cache_options options, std::error_code& ec);

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  [[nodiscard]] const cache_options& options() const noexcept { return options_; }
  /// Of the files of lockkit's own: whoever may write into the directory may lock.
  [[nodiscard]] std::filesystem::perms lock_mode() const noexcept;
  /// Of contents and records: read-only, for those who may read the directory. A hard link shows it outside the cache.
  [[nodiscard]] unsigned content_mode() const noexcept;
  /// What the constructor failed with: everything else then fails with it, too.
  [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }

  [[nodiscard]] std::string content_path(std::string_view sha256) const { return sharded('b', sha256); }
  [[nodiscard]] std::string record_path(std::string_view name) const { return sharded('k', name); }
  [[nodiscard]] std::string lock_path(std::string_view name) const { return sharded('l', name); }
  [[nodiscard]] std::string gate_path() const { return directory_.native() + "/gate"; }
  [[nodiscard]] std::string evict_lock_path() const { return directory_.native() + "/evict"; }
  [[nodiscard]] std::string part_path(char part) const { return directory_.native() + '/' + part; }

  /// The caches that are asked after this one: only to look things up in.
  [[nodiscard]] const std::vector<cache_layout>& layers() const noexcept { return layers_; }
  [[nodiscard]] content_proofs& proofs() const noexcept { return *proofs_; }
  [[nodiscard]] known_obstacles& obstacles() const noexcept { return *obstacles_; }

  /// Opens t/, p/ or q/, or the directory of part `b`, `k` or `l` in which `name` lies; makes it first if it is missing.
  [[nodiscard]] platform::unique_fd open_staging(std::error_code& ec) const;
  [[nodiscard]] platform::unique_fd open_partials(std::error_code& ec) const;
  [[nodiscard]] platform::unique_fd open_displaced(std::error_code& ec) const;
  [[nodiscard]] platform::unique_fd open_shard(char part, std::string_view name, std::error_code& ec) const;

 private:
  struct as_layer {};
  cache_layout(as_layer tag, const std::filesystem::path& directory, cache_options options, std::error_code& ec);

  [[nodiscard]] std::string sharded(char part, std::string_view name) const;
  [[nodiscard]] platform::unique_fd open_made(const std::string& path, std::error_code& ec) const;
  void prepare(std::error_code& ec);
  void write_tag() const;

  std::filesystem::path directory_;
  cache_options options_;
  std::error_code failure_;
  std::vector<cache_layout> layers_;
  std::shared_ptr<content_proofs> proofs_ = std::make_shared<content_proofs>();
  std::shared_ptr<known_obstacles> obstacles_ = std::make_shared<known_obstacles>();
};

}  // namespace lockkit::detail
