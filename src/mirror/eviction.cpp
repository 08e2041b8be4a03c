/// Eviction while the cache is in use.
///
///  1. One evictor at a time, by a lock of its own that nobody else takes. A second one does nothing and says so: what it
///     would have done is being done.
///  2. What goes is chosen by a look without locks. A content counts as used when the latest of its keys was: removing one
///     of its keys frees nothing. A key that is too old goes whatever its content's other keys are.
///  3. A key goes under its own lock, had without waiting: whoever fetches or removes it has it (busy). Then its record must
///     be the file that was seen, with the same time: else it was used or refreshed meanwhile. A hit between that look and
///     the removal has its descriptor; the next one is a miss, which is all that eviction ever costs.
///  4. Keys go first, contents after them, behind the gate and only if no record names them then (sweep.cpp). Killed in
///     between: contents without a key, which the next eviction or sweep removes.
///  5. Nothing that came, or was linked, within the grace time goes: somebody may have been given its path without
///     a lease. Measured by the inode's change time, which no program can set.
///  6. What is leased stays, with its key: removing that would free nothing and cost a fetch.
///  7. Order of locks: evict, key, turn, gate. No callback runs here.

#include "eviction.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <optional>

#include <lockkit/error.hpp>
#include <lockkit/file_mutex.hpp>

#include "cache_files.hpp"
#include "key_lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "sweep.hpp"

namespace lockkit::detail {
namespace {

/// A key as it was seen.
struct candidate {
  cache_file file;
  file_stamp stamp;
  cache_record what;
  std::int64_t content_used = 0;  ///< by the latest of its keys
};

struct content_seen {
  file_stamp stamp;
  std::size_t keys = 0;
  std::int64_t used = 0;
};

class evicting {
 public:
  evicting(const cache_layout& layout, const eviction_limits& limits)
      : layout_(layout), limits_(limits), now_(static_cast<std::int64_t>(platform::wall_clock_ns())) {}

  eviction_result run(std::error_code& ec) {
    look(ec);
    if (!ec) evict_old(ec);
    if (!ec) evict_least_used(ec);
    if (!ec) remove_contents(ec);
    if (!ec && !limits_.dry_run) sweep_unfinished(layout_, limits_.until, ec);
    result_.bytes_left = all_bytes_ - result_.bytes_freed;
    return std::move(result_);
  }

 private:
  void look(std::error_code& ec) {
    for (const cache_file& file : files_in_part(layout_, 'b', ec)) {
      std::error_code gone;
      const file_stamp stamp = stamp_at(file.path, gone);
      if (gone) continue;
      contents_[file.name].stamp = stamp;
      all_bytes_ += stamp.size;
    }
    if (ec) return;
    for (const cache_file& file : files_in_part(layout_, 'k', ec)) look_at_key(file);
    for (candidate& each : keys_) each.content_used = contents_[each.what.sha256].used;
    std::ranges::sort(keys_, [](const candidate& a, const candidate& b) {
      return std::tie(a.content_used, a.stamp.modified_ns) < std::tie(b.content_used, b.stamp.modified_ns);
    });
    wanted_bytes_ = all_bytes_;
  }

  void look_at_key(const cache_file& file) {
    std::error_code unreadable;  // stays: verify() judges
    const file_stamp stamp = stamp_at(file.path, unreadable);
    auto record = unreadable ? std::nullopt : read_own_record(file, unreadable);
    if (!record) return;
    content_seen& content = contents_[record->sha256];
    ++content.keys;
    content.used = std::max(content.used, stamp.modified_ns);
    cache_record what{std::move(record->key), std::move(record->sha256),  record->size,
                      record->fetched_at,     time_of(stamp.modified_ns), 0};
    keys_.push_back({file, stamp, std::move(what)});
  }

  /// A time far ahead of the clock was set when the clock was wrong, and says nothing.
  [[nodiscard]] bool is_younger(std::int64_t time, std::chrono::nanoseconds than) const noexcept {
    constexpr std::int64_t plausible = std::chrono::nanoseconds(std::chrono::hours(1)).count();
    const std::int64_t age = now_ - time;
    return age < than.count() && age > -plausible;
  }

  void evict_old(std::error_code& ec) {
    for (const candidate& each : keys_) {
      if (ec) return;
      if (limits_.max_age != std::chrono::nanoseconds::max() && !is_younger(each.stamp.modified_ns, limits_.max_age)) {
        evict(each, ec);
      }
    }
  }

  void evict_least_used(std::error_code& ec) {
    forget_unnamed();
    for (const candidate& each : keys_) {
      if (ec || wanted_bytes_ <= limits_.max_bytes) return;
      if (!decided_.contains(each.file.name)) evict(each, ec);
    }
  }

  /// They go first, whatever the limits: nobody can ask for them.
  void forget_unnamed() {
    for (const auto& [sha256, content] : contents_) {
      std::error_code unknown;  // whether it can be removed will show
      if (content.keys != 0 || !goes(sha256, content) || is_leased(layout_, sha256, unknown)) continue;
      wanted_bytes_ -= content.stamp.size;
    }
  }

  [[nodiscard]] bool goes(const std::string& sha256, const content_seen& content) const {
    return content.stamp.inode != 0 && !leaving_.contains(sha256) &&
           !is_younger(content.stamp.changed_ns, limits_.grace);
  }

  void evict(const candidate& each, std::error_code& ec) {
    decided_.insert(each.file.name);
    const auto why = remove_key(each, ec);
    if (ec) return;
    if (why) {
      result_.kept.push_back({each.what, *why});
      return;
    }
    result_.evicted.push_back(each.what);
    content_seen& content = contents_[each.what.sha256];
    if (--content.keys != 0) return;
    wanted_bytes_ -= content.stamp.size;
    leaving_.insert(each.what.sha256);
  }

  /// Rule 5, as it is now: it can have come after the contents had been looked at.
  [[nodiscard]] bool is_young(const std::string& sha256, std::error_code& ec) const {
    const file_stamp now = stamp_at(layout_.content_path(sha256), ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
    return !ec && is_younger(now.changed_ns, limits_.grace);
  }

  /// Rules 3, 5 and 6.
  std::optional<keep_reason> remove_key(const candidate& each, std::error_code& ec) {
    if (is_young(each.what.sha256, ec)) return keep_reason::young;
    if (ec) return std::nullopt;
    key_lock lock(layout_, each.file.name, "eviction");
    lock.acquire(deadline(), {}, ec);
    if (ec == errc::timed_out || ec == errc::would_deadlock) {
      ec.clear();
      return keep_reason::busy;
    }
    if (ec) return std::nullopt;
    if (is_leased(layout_, each.what.sha256, ec) && !ec) return keep_reason::leased;
    const file_stamp now = ec ? file_stamp() : stamp_at(each.file.path, ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
    if (!ec && (now.inode != each.stamp.inode || now.modified_ns != each.stamp.modified_ns)) return keep_reason::used;
    if (!ec && !limits_.dry_run) platform::unlink_name(AT_FDCWD, each.file.path.c_str(), ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
    return std::nullopt;
  }

  void remove_contents(std::error_code& ec) {
    std::vector<std::string> digests(leaving_.begin(), leaving_.end());
    for (const auto& [sha256, content] : contents_) {
      if (content.keys != 0 || content.stamp.inode == 0 || leaving_.contains(sha256)) continue;
      if (goes(sha256, content)) {
        digests.push_back(sha256);
      } else {
        keep_unnamed(sha256, keep_reason::young);
      }
    }
    limits_.dry_run ? foresee(digests, ec) : remove(digests, ec);
  }

  void foresee(const std::vector<std::string>& digests, std::error_code& ec) {
    for (const std::string& sha256 : digests) {
      const bool leased = !ec && is_leased(layout_, sha256, ec);
      if (!ec) note(sha256, leased ? removal::leased : removal::removed);
    }
  }

  void remove(const std::vector<std::string>& digests, std::error_code& ec) {
    for (const swept_content& each : remove_unnamed(layout_, digests, limits_.until, ec)) {
      note(each.sha256, each.outcome);
    }
  }

  void note(const std::string& sha256, removal outcome) {
    const std::uint64_t size = contents_[sha256].stamp.size;
    if (outcome == removal::leased) {
      keep_unnamed(sha256, keep_reason::leased);
      return;
    }
    result_.bytes_freed += size;
    if (!leaving_.contains(sha256)) result_.evicted.push_back(unnamed(sha256));
  }

  [[nodiscard]] cache_record unnamed(const std::string& sha256) {
    const file_stamp& stamp = contents_[sha256].stamp;
    return {{}, sha256, stamp.size, time_of(stamp.modified_ns), time_of(stamp.changed_ns), 0};
  }
  void keep_unnamed(const std::string& sha256, keep_reason why) { result_.kept.push_back({unnamed(sha256), why}); }

  const cache_layout& layout_;
  const eviction_limits& limits_;
  std::int64_t now_;
  std::map<std::string, content_seen> contents_;
  std::vector<candidate> keys_;    // the content that was used longest ago first
  std::set<std::string> decided_;  // keys, by their records' names
  std::set<std::string> leaving_;  // contents whose last key was evicted here
  std::uint64_t all_bytes_ = 0;
  std::uint64_t wanted_bytes_ = 0;  // what would be left if it ended now
  eviction_result result_;
};

}  // namespace

eviction_result evict_from(const cache_layout& layout, const eviction_limits& limits, std::error_code& ec) {
  lock_options options;
  options.mode = layout.lock_mode();
  options.label = "cache eviction";
  file_mutex alone(layout.evict_lock_path(), options);
  if (alone.try_lock(ec)) return evicting(layout, limits).run(ec);
  eviction_result nothing;
  nothing.another_at_work = !ec;
  return nothing;
}

}  // namespace lockkit::detail
