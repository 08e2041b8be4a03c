#pragma once
/// inspect: who holds a lock file (or a file_mutex's file), without disturbing it. wait_until_free: until nobody does.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

enum class lock_state {
  free,     ///< no lock file; or a file_mutex's file that nobody holds
  held,     ///< by a lockkit process that lives
  stale,    ///< a crashed lockkit holder's leftover: the next acquisition adopts it at once
  foreign,  ///< not lockkit's: a script's or another library's lock, or a file that happens to be there
};

/// A snapshot; it can be outdated when it is returned. After an error it says nothing.
struct lock_inspection {
  lock_state state = lock_state::free;
  std::optional<owner> holder;        ///< what the record says, if one could be read
  std::chrono::nanoseconds age{};     ///< since the file last changed, by the wall clock; zero when free
  std::vector<std::int32_t> holders;  ///< processes seen with the lock open and held, children that inherited it too
  std::vector<std::int32_t> waiters;  ///< processes of lockkit seen waiting for it
};

/// Reads only; takes no lock unless the owner lives in another PID namespace and nothing else can tell (then a shared
/// one for an instant, which a simultaneous try_lock can see as contention). Processes of other users are visible to
/// root only. Absent directories count as free.
[[nodiscard]] LOCKKIT_API lock_inspection inspect(const std::filesystem::path& lock_path);
[[nodiscard]] LOCKKIT_API lock_inspection inspect(const std::filesystem::path& lock_path, std::error_code& ec);

/// Waits until nobody holds it (inspect says free or stale) without ever taking it. False: `until` passed first. Who
/// comes after the call may hold it again by the time it returns. Noticed within a millisecond where the lock file's
/// disappearance or its holder's end can be watched, else (a file_mutex, whose file does not change) within 250 ms.
[[nodiscard]] LOCKKIT_API bool wait_until_free(const std::filesystem::path& lock_path, deadline until);
[[nodiscard]] LOCKKIT_API bool wait_until_free(const std::filesystem::path& lock_path, deadline until,
                                               std::error_code& ec);

}  // namespace lockkit::inline v0
