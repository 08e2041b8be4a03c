/// Waiting for a task: claim_wait's rules, but for two.
///
///  1. Nobody queues up: which task comes next is the queue's order, and it does not matter who takes it.
///  2. The next due time ends the sleep, too.
#include "task_wait.hpp"

#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "platform/fault.hpp"

namespace lockkit::detail {
std::optional<granted_task> task_wait::change(connection& db) {
  buried_ = bury_dead(db, {}, store_.death()) > 0;
  const auto chosen = choose_task(db, operation_);
  if (!chosen) return std::nullopt;
  const bool is_job = chosen->needs.life == claim_life::job;
  if (is_job) mark_ = store_.job_owner(db);
  return take_task(db, operation_, *chosen, is_job ? mark_.owner_id : store_.owner_id(db));
}

std::optional<granted_task> task_wait::attempt() {
  const deadline turn = waits_ ? until_ : deadline::after(try_patience);
  std::optional<granted_task> task;
  try {
    task = store_.write(turn, [&](connection& db) { return change(db); }, sync_mode::full);
  } catch (const sqlite_failure& failure) {
    task = look_up(failure);
    if (!task) mark_ = {};
    if (!task) throw;
  }
  if (task || buried_) store_.wake_others();
  return task;
}

/// A COMMIT that reports a failure may have been done. If that can't be seen either, the task goes back with this
/// store's next change, or with the process.
std::optional<granted_task> task_wait::look_up(const sqlite_failure& failure) {
  if (!failure.is_in_doubt) return std::nullopt;
  try {
    return store_.read([&](connection& db) { return find_granted(db, operation_.claim_key); });
  } catch (const sqlite_failure&) {
    store_.at_next_write([key = operation_.claim_key](connection& db) { end_claim(db, key, claim_end::released); });
    return std::nullopt;
  }
}

bool task_wait::is_worth_trying() {
  return store_.read(
      [&](connection& db) { return has_dead(db, {}, store_.death()) || choose_task(db, operation_).has_value(); });
}

std::optional<granted_task> task_wait::run() {
  waits_ = !is_over();
  for (;;) {
    if (is_worth_trying()) {
      try {
        if (auto task = attempt()) return task;
      } catch (const sqlite_failure& failure) {
        if (failure.code == errc::timed_out && waits_) return std::nullopt;
        throw;
      }
    }
    if (is_over()) return std::nullopt;
    sleep();
  }
}

void task_wait::sleep() {
  watch_.prepare();
  watch_.follow(store_.read([&](connection& db) { return list_silent_ends(db, operation_); }));
  if (is_worth_trying()) return;
  platform::fault::point("claims.sleeping");
  watch_.sleep(until_, stop_);
}

}  // namespace lockkit::detail
