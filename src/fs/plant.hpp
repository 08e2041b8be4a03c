#pragma once
/// The public side of a lock_file: making P appear, recognising what stands there, removing it. Rules 4 to 8 and 10 of
/// the protocol at the top of lock_file.cpp. Every function here is called by the holder of the guard's kernel lock.

#include <system_error>

#include <lockkit/lock_file.hpp>

#include "guard.hpp"
#include "lock_names.hpp"

namespace lockkit::detail {

/// Rule 12's record lock on one inode. False with a clear code: another program has one. A kernel or a filesystem without
/// such locks: unsupported_filesystem.
[[nodiscard]] bool try_keep_out_records(int fd, std::error_code& ec) noexcept;

/// How P is made. `automatic` begins with the link and falls back; the others are for tests and for fallbacks.
enum class plant_method { automatic, own_file, exclusive };

enum class plant_state {
  held,     ///< P is ours
  foreign,  ///< P is somebody else's
  restart,  ///< the guard was unlinked: begin again with a new one
};

struct lock_file_internals {
  /// For tests: which plant a lock file uses from its next acquisition on.
  static LOCKKIT_PRIVATE_API void use_plant(lock_file& lock, plant_method method) noexcept;
  /// For a lock_set's messages: who stands in the way, and what to say of a failure.
  static owner find_holder(const lock_file& lock, bool& foreign);
  static std::string explain(const lock_file& lock, const std::error_code& ec);
  /// For a lock_set that is moved, perhaps to another thread.
  static void forget_thread(lock_file& lock) noexcept;
};

enum class removal {
  removed,
  was_not_ours,  ///< gone, or somebody else's
  refused,       ///< ours, but it can't be removed (any more): it stays for the next holder to adopt
};

/// P while we hold it.
class planted_name {
 public:
  /// One attempt. Removes provably dead orphans on the way. `stamp` has written the guard's record already.
  [[nodiscard]] plant_state plant(const lock_names& names, const guard& g, const owner_stamp& stamp,
                                  const lock_options& options, plant_method method, std::error_code& ec);
  /// Removes P if it is still ours, else touches nothing.
  [[nodiscard]] removal remove(const lock_names& names) noexcept;
  /// Whether P is ours; `absent` tells the two ways of "no" apart.
  [[nodiscard]] bool stands(const lock_names& names, bool& absent) const noexcept;
  /// In a forked child: forgets without releasing.
  void forget() noexcept { own_.reset(); }

 private:
  friend class plant_attempt;
  platform::inode_facts inode_;
  platform::unique_fd own_;  // open only when P is not a link of the guard
};

}  // namespace lockkit::detail
