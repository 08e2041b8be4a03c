// Waiting until nobody holds a lock, without taking it.
//
//  1. Watch first, look then: what happens between the two is an event.
//  2. A release unlinks the lock file; a holder's death closes the inode that it had open for writing. Both are events of
//     the watched inode. A file_mutex is released without either, and elsewhere events may be missing: so look again at
//     the latest after a slice of the time waited, 5 to 250 ms. Looking goes through all processes: it is not for free.
//  3. A dead holder's leftover is free for whoever comes, so it ends the wait.
#include <algorithm>

#include <lockkit/backoff.hpp>
#include <lockkit/inspect.hpp>

#include "core/throw_error.hpp"
#include "lock_names.hpp"
#include "platform/watch.hpp"

namespace lockkit::inline v0 {

using std::chrono::steady_clock;

bool wait_until_free(const std::filesystem::path& lock_path, deadline until, std::error_code& ec) {
  const detail::lock_names names = detail::name_lock(lock_path, ec);
  if (ec) return false;
  const auto began = steady_clock::now();
  for (;;) {
    std::error_code unwatched;
    platform::path_watch watch(names.path.c_str(), unwatched);
    const lock_state state = inspect(names.path, ec).state;
    if (ec) return false;
    if (state == lock_state::free || state == lock_state::stale) return true;
    if (until.expired()) return false;
    const auto slice = std::clamp<std::chrono::nanoseconds>(
        (steady_clock::now() - began) / 10, std::chrono::milliseconds(5), std::chrono::milliseconds(250));
    const deadline next = earlier(until, deadline::after(slice));
    if (unwatched) {
      sleep_until(next);
    } else {
      watch.wait(next);
    }
  }
}

bool wait_until_free(const std::filesystem::path& lock_path, deadline until) {
  return detail::throwing("wait for", lock_path,
                          [&](std::error_code& ec) { return wait_until_free(lock_path, until, ec); });
}

}  // namespace lockkit::inline v0
