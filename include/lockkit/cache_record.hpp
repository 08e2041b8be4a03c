#pragma once
/// What a mirror_cache tells of its keys, and of itself.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>

namespace lockkit::inline v0 {

/// A key.
struct cache_record {
  std::string key;
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point fetched_at{};
  /// Exact to the hour, and only in a cache that the users may write: it is stored for one hit in an hour.
  std::chrono::system_clock::time_point last_used{};
  std::size_t layer = 0;  ///< 0: the cache's own; n: of cache_options::layers[n - 1]
};

/// What verify() found wrong with a key.
struct cache_damage {
  std::string key;        ///< empty: a record that can't be read
  std::error_code error;  ///< integrity_mismatch, no_such_file_or_directory, or what reading failed with
  bool removed = false;   ///< by the repair: the next get fetches
};

/// How far verify() is.
struct verify_progress {
  std::size_t keys = 0;
  std::size_t all_keys = 0;
  std::uint64_t bytes = 0;
  std::uint64_t all_bytes = 0;
};

struct verify_options {
  bool repair = false;
  deadline until = deadline::never();                         ///< for fetches of damaged keys that run
  std::function<void(const verify_progress&)> on_progress{};  ///< after each key, on this thread
};

/// What lies in one cache directory.
struct directory_statistics {
  std::filesystem::path directory;
  std::size_t keys = 0;
  std::size_t contents = 0;          ///< keys may share one
  std::uint64_t bytes = 0;           ///< of all contents
  std::size_t unnamed_contents = 0;  ///< that no key names: of refreshed and removed keys, until a sweep or an eviction
  std::uint64_t unnamed_bytes = 0;
  std::size_t leased = 0;    ///< contents on which somebody has a cache_lease at this moment
  std::size_t partials = 0;  ///< fetches that were broken off and can be resumed
  std::uint64_t partial_bytes = 0;
  std::chrono::system_clock::time_point oldest_use{};  ///< of the keys; without keys the clock's epoch
  std::chrono::system_clock::time_point newest_use{};
};

/// What was asked of one mirror_cache object, by all its threads. Copied by fork, counted on separately.
struct request_statistics {
  std::uint64_t hits = 0;     ///< answered by what was cached, or by another's fetch that was waited for
  std::uint64_t misses = 0;   ///< all others: fetched, failed, or errc::not_cached
  std::uint64_t fetches = 0;  ///< the misses whose fetch came to a good end, be it that nothing was modified
  std::uint64_t fetched_bytes = 0;
};

struct cache_statistics {
  directory_statistics own;
  std::vector<directory_statistics> layers;
  request_statistics requests;
};

}  // namespace lockkit::inline v0
