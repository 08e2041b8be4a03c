#pragma once
/// What stands in the way of making a mirror without copying, and how long it is remembered.

#include <compare>
#include <cstdint>
#include <mutex>
#include <set>
#include <system_error>

namespace lockkit::detail {

enum class shortcut { hard_link, clone };

/// What an error of a shortcut means.
enum class obstacle {
  this_file,   ///< for this one, now: ZFS that has not committed its source, too many links, a name that has just gone
  this_route,  ///< between these two mounts: another filesystem, none that can do it, no permission
  fatal,       ///< a copy would fail as well
};

[[nodiscard]] obstacle classify(const std::error_code& failure) noexcept;

/// From one mount to another, for a file of that user: whose files may be linked is a question of the owner.
struct mirror_route {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  unsigned owner = 0;

  friend auto operator<=>(const mirror_route&, const mirror_route&) = default;
};

/// Routes on which a shortcut is not tried again, by any thread of this object.
class known_obstacles {
 public:
  [[nodiscard]] bool contains(shortcut which, const mirror_route& route) const;
  void add(shortcut which, const mirror_route& route);

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<shortcut, mirror_route>> known_;
};

}  // namespace lockkit::detail
