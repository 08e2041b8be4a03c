// Rules, each with its reason.
//  1. The dead are buried first: that a holder is gone is no change in the database, and where nobody waits for a GPU
//     nobody else would notice.
//  2. Any scheduler may report about any case: reports name task, attempt and claim, so the second one, or one about an
//     attempt that is over, changes nothing.
//  3. Trouble is said and passes: a full disk or a database that is busy too long must not end the daemon while jobs run.
//  4. Only cases of this kind of executor are judged: another scheduler may run with another kind, or the configuration
//     may have changed while jobs ran. To pueue, what runs here is missing.
#include "monitoring.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gpu_scheduler {

using lockkit::deadline;
using lockkit::task_state;
using lockkit::task_status;

void monitoring_loop::run(const std::stop_token& stop) {
  deadline next_sample;
  while (!stop.stop_requested()) {
    try {
      look_once();
      say_who_waits();
      if (gpus_.watches() && next_sample.expired()) {
        gpus_.look_for_foreign_use();
        next_sample = deadline::after(settings_.discovery->foreign_every);
      }
    } catch (const std::exception& why) {  // rule 3
      say_(why.what());
    }
    deadline until = deadline::after(jobs_.interval());
    if (gpus_.watches()) until = earlier(until, next_sample);
    queue_.wait_for_change(until, stop);
  }
}

std::vector<task_status> monitoring_loop::begun() const {
  std::vector<task_status> result;
  for (const task_state state : {task_state::submitting, task_state::running, task_state::unknown}) {
    lockkit::task_filter filter{.state = state};
    for (auto page = queue_.list(filter); !page.empty(); page = queue_.list(filter)) {
      filter.after = page.back().id;
      std::ranges::copy_if(page, std::back_inserter(result), [&](const task_status& each) {
        return jobs_.may_have(each);  // rule 4
      });
    }
  }
  return result;
}

/// Once, until no case waits any more.
void monitoring_loop::say_who_waits() {
  const auto waiting = queue_.list({.state = task_state::ready, .limit = 1});
  if (waiting.empty() || said_) {
    said_ = said_ && !waiting.empty();
    return;
  }
  const auto reasons = queue_.why(waiting.front().id);
  if (reasons.empty()) return;  // it is about to be taken
  said_ = true;
  say_(fmt::format("'{}' waits: {}", waiting.front().key, reasons.front().text));
}

bool monitoring_loop::is_known(const task_status& task, const job_report& what) {
  if (what.how == job_end::running) return task.state == task_state::running;
  return what.how == job_end::waiting && task.state == task_state::submitting && task.external == what.external;
}

void monitoring_loop::look_once() {
  store_.bury_dead();  // rule 1
  const std::vector<task_status> tasks = begun();
  for (const job_report& each : jobs_.look(tasks)) {
    const auto about = std::ranges::find(tasks, each.ref.id, &task_status::id);
    if (is_known(*about, each)) continue;
    tell(*about, each);
  }
}

void monitoring_loop::tell(const task_status& task, const job_report& what) {
  if (!report(queue_, what, jobs_.name_of(what.ref), settings_.limit.retry_after)) return;  // rule 2
  switch (what.how) {
    case job_end::running:
      say_(fmt::format("'{}' runs ({})", task.key, what.external.empty() ? jobs_.name_of(what.ref) : what.external));
      break;
    case job_end::waiting:
      say_(fmt::format("'{}' waits there ({})", task.key, what.external));
      break;
    case job_end::done:
      say_(fmt::format("'{}' is done", task.key));
      break;
    case job_end::failed:
      say_(fmt::format("'{}' failed: {}", task.key, what.text));
      break;
    case job_end::cancelled:
      say_(fmt::format("'{}' was cancelled", task.key));
      break;
    case job_end::never_ran:
    case job_end::nowhere:
      say_(fmt::format("'{}' never began: ready again", task.key));
      break;
  }
}

}  // namespace gpu_scheduler
