#pragma once
/// What a mirror_cache is to give up, and what came of it.

#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include <lockkit/cache_record.hpp>
#include <lockkit/deadline.hpp>

namespace lockkit::inline v0 {

struct eviction_limits {
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();  ///< of all contents together
  std::chrono::nanoseconds max_age = std::chrono::nanoseconds::max();   ///< since a key was used
  std::chrono::nanoseconds grace = std::chrono::hours(1);  ///< contents that came (or were linked) less long ago stay:
                                                           ///< somebody may have been given the path just now
  bool dry_run = false;                                    ///< only tell
  deadline until = deadline::never();  ///< waits for those who are publishing, seldom for long: errc::timed_out
};

/// Why something stays that the limits would have gone.
enum class keep_reason {
  busy,    ///< somebody is fetching or removing that key
  leased,  ///< somebody has a cache_lease on the content
  young,   ///< within the grace time
  used,    ///< used or refreshed since the eviction looked
};

struct kept_content {
  cache_record what;  ///< with an empty key: a content that no key names
  keep_reason why{};
};

struct eviction_result {
  bool another_at_work = false;       ///< another eviction of this cache is running: nothing was done
  std::vector<cache_record> evicted;  ///< the least recently used first; then, with empty keys, contents without one
  std::vector<kept_content> kept;
  std::uint64_t bytes_freed = 0;
  std::uint64_t bytes_left = 0;  ///< of all contents, whether a key names them or not
};

}  // namespace lockkit::inline v0
