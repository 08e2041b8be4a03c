/// Waiting for a claim.
///
///  1. Look before taking a turn: a read that finds nothing free costs no writer anything. Not where the request before
///     was granted: where something is free, the look is the waste.
///  2. Who must wait queues up in the same transaction in which it was refused: nothing can be freed in between.
///  3. The watch on the wake file is set before the look. What is committed after the look is written there after it,
///     and ends the sleep.
///  4. The processes that hold what we want, or stand before us, are watched too: a killed one commits nothing. Those that
///     can't be watched (another PID namespace; dead, but a child has inherited the mark; a job's) are asked for their
///     life marks in slices of 50 ms. No sleep is longer than until the first lease runs out or somebody before us
///     gives up, nor than a second: then the files are looked at.
///  5. Who gives up leaves the queue, and wakes the others: they may have stood behind it. It does not wait long for its
///     turn to do so: at its deadline it must return, even if who has the turn is stopped. Its row says since when it
///     counts for nothing. Who is told to stop before its deadline waits longer: its row would go on counting.
///  6. A COMMIT that reports a failure may have been done: the key is looked up. If that fails too, a claim of that key
///     ends with this store's next change, or with the process.
#include "claim_wait.hpp"

#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "platform/fault.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::milliseconds leaving_patience{50};
constexpr std::chrono::seconds stopping_patience{5};

}  // namespace

claim_wait::~claim_wait() {
  try {
    if (operation_.ticket != 0) leave_queue();
  } catch (...) {  // NOLINT(bugprone-empty-catch): no memory; its place ends with its deadline, or with us
  }
}

/// Rule 5.
void claim_wait::leave_queue() {
  const auto leave = [ticket = operation_.ticket](connection& db) {
    remove_waiter(db, ticket);
    return true;
  };
  try {
    store_.write(deadline::after(until_.expired() ? leaving_patience : stopping_patience), leave);
    store_.wake_others();
  } catch (const sqlite_failure&) {
    store_.at_next_write(leave);
  }
}

claim_result claim_wait::change(connection& db) {
  const bool is_job = operation_.request.life == claim_life::job;
  if (is_job && mark_.owner_id == 0) mark_ = store_.job_owner(db);
  operation_.owner_id = is_job ? mark_.owner_id : store_.owner_id(db);
  claim_result found = execute(db, operation_, store_.death());
  if (found.state == grant_state::not_now && queues_up_ && operation_.ticket == 0) {
    operation_.ticket = add_waiter(db, operation_, until_);
  }
  return found;
}

claim_result claim_wait::attempt() {
  const std::int64_t ticket_before = operation_.ticket;
  const deadline turn = queues_up_ ? until_ : deadline::after(try_patience);
  claim_result result;
  try {
    result = store_.write(turn, [&](connection& db) { return change(db); });
  } catch (const sqlite_failure& failure) {
    operation_.ticket = ticket_before;
    auto items = look_up(failure);
    if (!items) throw;
    result = {.state = grant_state::granted, .items = std::move(*items)};
  }
  store_.note_luck(result.state == grant_state::granted);
  if (result.state == grant_state::granted) operation_.ticket = 0;
  if (result.buried) store_.wake_others();
  return result;
}

/// Rule 6.
std::optional<std::vector<claimed_item>> claim_wait::look_up(const sqlite_failure& failure) {
  if (!failure.is_in_doubt) return std::nullopt;
  try {
    return store_.read([&](connection& db) { return find_items(db, operation_.key); });
  } catch (const sqlite_failure&) {
    store_.at_next_write([key = operation_.key](connection& db) { end_claim(db, key, claim_end::released); });
    return std::nullopt;
  }
}

bool claim_wait::is_worth_trying() {
  return store_.read([&](connection& db) { return detail::is_worth_trying(db, operation_, store_.death()); });
}

std::optional<std::vector<claimed_item>> claim_wait::run() {
  queues_up_ = !is_over();
  for (bool is_first = true;; is_first = false) {
    const bool must_queue_up = queues_up_ && operation_.ticket == 0;
    if (must_queue_up || (is_first && store_.had_luck()) || is_worth_trying()) {
      claim_result result;
      try {
        result = attempt();
      } catch (const sqlite_failure& failure) {
        if (failure.code == errc::timed_out && queues_up_) return std::nullopt;
        throw;
      }
      if (result.state == grant_state::granted) return std::move(result.items);
      if (result.state == grant_state::never) throw sqlite_failure{errc::no_such_resource};
    }
    if (is_over()) return std::nullopt;
    sleep();
  }
}

void claim_wait::sleep() {
  watch_.prepare();
  watch_.follow(store_.read([&](connection& db) { return list_silent_ends(db, operation_); }));
  if (is_worth_trying()) return;
  platform::fault::point("claims.sleeping");
  watch_.sleep(until_, stop_);
}

}  // namespace lockkit::detail
