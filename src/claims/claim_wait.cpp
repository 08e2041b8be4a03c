/// Waiting for a claim.
///
///  1. Look before taking a turn: a read that finds nothing free costs no writer anything.
///  2. Who must wait queues up in the same transaction in which it was refused: nothing can be freed in between.
///  3. The watch on the wake file is set before the look. What is committed after the look is written there after it,
///  and
///     ends the sleep.
///  4. The processes that hold what we want are watched too: a killed one commits nothing. Those that can't be watched
///     (another PID namespace) are asked for their life marks in slices of at most 50 ms.
///  5. Who gives up leaves the queue, and wakes the others: they may have stood behind it.
#include "claim_wait.hpp"

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "platform/process.hpp"
#include "platform/watch.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::milliseconds short_slice{50};
constexpr std::chrono::seconds long_slice{1};
constexpr std::chrono::seconds try_patience{60};

/// Descriptors that tell of the holders' ends; `complete` if all of them are seen.
struct watched_holders {
  std::vector<platform::unique_fd> owned;
  std::vector<int> fds;
  bool complete = true;
};

void watch_holder(const holder_process& holder, watched_holders& watched) {
  std::error_code ec;
  const owner self = current_process();
  platform::unique_fd fd;
  if (holder.pid_namespace == self.pid_namespace) fd = platform::open_process(holder.pid, ec);
  const bool same = fd && platform::status(fd.get(), ec).st_ino == holder.pidfd_inode && !ec;
  watched.complete = watched.complete && same;
  if (!same) return;
  watched.fds.push_back(fd.get());
  watched.owned.push_back(std::move(fd));
}

watched_holders watch_holders(const std::vector<holder_process>& holders) {
  constexpr std::size_t most = 63;
  watched_holders watched;
  watched.complete = holders.size() <= most;
  for (const holder_process& holder : holders) {
    if (watched.fds.size() < most) watch_holder(holder, watched);
  }
  return watched;
}

}  // namespace

claim_wait::~claim_wait() {
  if (operation_.ticket == 0) return;
  try {  // rule 5
    store_.write(deadline::after(try_patience), [&](connection& db) {
      remove_waiter(db, operation_.ticket);
      return true;
    });
    store_.wake_others();
  } catch (const sqlite_failure&) {  // its row goes with this process
  }
}

deadline claim_wait::turn_deadline() const noexcept {
  // A try does not wait for a resource, but it does take its turn at the database.
  return until_.expired() ? deadline::after(try_patience) : until_;
}

claim_result claim_wait::attempt(arrival how) {
  const std::int64_t ticket_before = operation_.ticket;
  claim_result result;
  try {
    result = store_.write(turn_deadline(), [&](connection& db) {
      operation_.owner_id = store_.owner_id(db);
      claim_result found = execute(db, operation_, store_.death());
      if (found.state == grant_state::not_now && how == arrival::queue_up && operation_.ticket == 0) {
        operation_.ticket = add_waiter(db, operation_);
      }
      return found;
    });
  } catch (const sqlite_failure&) {
    operation_.ticket = ticket_before;
    throw;
  }
  if (result.state == grant_state::granted) operation_.ticket = 0;
  if (result.buried) store_.wake_others();
  return result;
}

bool claim_wait::is_worth_trying() {
  return store_.read([&](connection& db) { return detail::is_worth_trying(db, operation_, store_.death()); });
}

std::optional<std::vector<claimed_item>> claim_wait::run() {
  const arrival how = over() ? arrival::try_once : arrival::queue_up;
  for (;;) {
    const bool must_queue_up = how == arrival::queue_up && operation_.ticket == 0;
    if (must_queue_up || is_worth_trying()) {
      claim_result result = attempt(how);
      if (result.state == grant_state::granted) return std::move(result.items);
      if (result.state == grant_state::never) throw sqlite_failure{errc::no_such_resource};
    }
    if (over()) return std::nullopt;
    sleep();
  }
}

void claim_wait::sleep() {
  std::error_code unwatched;
  platform::path_watch watch(store_.wake_path().c_str(), unwatched, platform::watched::content);
  const watched_holders holders =
      watch_holders(store_.read([&](connection& db) { return list_holders(db, operation_.request.pool); }));
  if (is_worth_trying()) return;
  const bool all_seen = !unwatched && holders.complete && !stop_.stop_possible();
  const deadline slice =
      earlier(until_, deadline::after(all_seen ? std::chrono::milliseconds(long_slice) : short_slice));
  if (unwatched) {
    sleep_until(earlier(slice, deadline::after(std::chrono::milliseconds(5))));
  } else {
    watch.wait(slice, holders.fds);
  }
}

}  // namespace lockkit::detail
