// Rules, each with its reason.
//  1. A case is taken straight into `submitting`: the intent is on disk in the transaction that claims its GPUs, before
//     anybody outside hears of it.
//  2. Whatever happens after that is one of three: it was started (running), it certainly was not (handed back), or
//     nobody knows (left as it is: monitoring finds out). Only the second gives the GPUs back.
//  3. Before the call to something outside, the claim is shown to stand once more: who was stopped for long may have
//     been given up by others.
//  4. The claim is let go of (detach), not released, once the job has it: it ends with the job.
//  5. An executor that can't start anything is left in peace for a while, which grows to half a minute.
#include "submission.hpp"

#include <fmt/format.h>

#include <utility>

#include <condition_variable>
#include <mutex>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "case_queue.hpp"
#include "failure.hpp"

namespace gpu_scheduler {
namespace {

using lockkit::deadline;
using namespace std::chrono_literals;

constexpr lockkit::take_options to_submit{.submitting = true};

/// True: stopped.
bool sleep_unless(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock hold(mutex);
  return never.wait_for(hold, stop, time, [&] { return stop.stop_requested(); });
}

}  // namespace

void submission_loop::run(const std::stop_token& stop) {
  lockkit::backoff pauses({.first = 500ms, .longest = 30s});
  while (!stop.stop_requested()) {
    try {
      if (auto taken = queue_.take_until(to_submit, deadline::never(), stop)) start(std::move(*taken));
      pauses.reset();
    } catch (const std::exception& why) {  // rule 5; a full disk passes, too
      const auto pause = std::chrono::ceil<std::chrono::milliseconds>(pauses.next());
      say_(fmt::format("{}; trying again in {:.1f} s", why.what(), std::chrono::duration<double>(pause).count()));
      if (sleep_unless(stop, pause)) return;
    }
  }
}

bool submission_loop::start_one() {
  auto taken = queue_.try_take(to_submit);
  if (taken) start(std::move(*taken));
  return taken.has_value();
}

void submission_loop::start(lockkit::taken_task taken) {
  try {
    if (!taken.held.items().empty() && !fits(taken.held)) {
      throw failure(exit_status::bad_data,
                    "it was submitted while the configuration named another kind of executor, which ends claims in "
                    "another way: go back to that one, or give its directory another name");
    }
    const job what = prepare(settings_, taken);
    hand_over(what, std::move(taken.held));
  } catch (const failure& why) {
    say_(fmt::format("'{}' fails: {}", taken.key, why.what()));
    report(queue_, {taken.ref, job_end::failed, why.what()}, "", settings_.limit.retry_after);
  }
}

/// What ends the claim must be what ends the job: else its GPU is free while it runs, or for ever taken.
bool submission_loop::fits(const lockkit::claim& held) const {
  return (held.life_descriptor() >= 0) == (jobs_.life() == lockkit::claim_life::job);
}

void submission_loop::hand_over(const job& what, lockkit::claim held) {
  const std::string name = jobs_.name_of(what.ref);
  std::error_code ec;
  queue_.submitting(what.ref, name, ec);  // rule 3
  if (ec) throw std::system_error(ec, fmt::format("cannot hand over '{}'", what.name));
  std::optional<job_report> begun;
  try {
    begun = jobs_.start(what, held.life_descriptor());
    held.detach();  // rule 4
  } catch (const not_started&) {
    report(queue_, {what.ref, job_end::never_ran, ""}, name, {});
    throw;
  }
  if (!begun) return;
  report(queue_, *begun, name, {});
  say_(fmt::format("'{}' {} {} ({})", what.name, begun->how == job_end::waiting ? "goes to" : "starts on",
                   names_of(what.items), begun->external.empty() ? name : begun->external));
}

}  // namespace gpu_scheduler
