#include "lock_waiting.hpp"

#include <algorithm>

#include "message.hpp"
#include "options.hpp"

namespace lockkit_command {
namespace {

std::string describe(const lockkit::owner& holder, bool foreign) {
  if (foreign && holder.pid == 0) return "held by what stands there, which does not say whose it is";
  return fmt::format("held by {}{}", printable(holder.describe()), foreign ? ", not by lockkit" : "");
}

}  // namespace

wait_outcome wait_in_pieces(lockkit::deadline until, const std::function<bool(lockkit::deadline)>& attempt,
                            const std::function<bool()>& give_up) {
  using std::chrono::milliseconds;
  // A signal waits for the end of a piece; each piece begins with quick retries, so they grow.
  for (auto piece = milliseconds(100);; piece = std::min(piece * 2, milliseconds(500))) {
    if (attempt(earlier(until, lockkit::deadline::after(piece)))) return wait_outcome::acquired;
    if (give_up()) return wait_outcome::given_up;
    if (until.expired()) return wait_outcome::timed_out;
  }
}

std::string holder_text(const lockkit::lock_inspection& found) {
  const bool foreign = found.state == lockkit::lock_state::foreign;
  if (found.state == lockkit::lock_state::free) return "free again by now";
  return describe(found.holder.value_or(lockkit::owner()), foreign);
}

std::string holder_text(const lockkit::wait_notice& notice) {
  return describe(notice.holder, notice.foreign);
}

std::string not_in_time_text(const std::filesystem::path& path, std::chrono::nanoseconds timeout) {
  std::error_code ec;
  const lockkit::lock_inspection found = lockkit::inspect(path, ec);
  const std::string when = timeout.count() == 0 ? "at once" : "within " + duration_text(timeout);
  return fmt::format("{} was not free {}: {}; wait longer (--timeout), or look with 'lockkit status {}'",
                     in_quotes(path), when, holder_text(found), printable(path.native()));
}

void say_not_in_time(const std::filesystem::path& path, std::chrono::nanoseconds timeout) {
  say("{}", not_in_time_text(path, timeout));
}

}  // namespace lockkit_command
