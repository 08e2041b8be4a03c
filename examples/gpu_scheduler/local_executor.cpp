// Rules for crashes, each with its reason. (Those of the runner: runner.cpp.)
//  1. The intent (state submitting) and the claim are made in one transaction, before anything is started: there is
//     never a job without both.
//  2. The claim lives by its life descriptor, whose copy the runner has from its first moment. So while a runner lives,
//     or can still come to life, the claim stands, and its task is submitting or running: nobody reconciles it. A
//     runner that has not yet made its record is safe by this alone.
//  3. When the last copy is closed, the claim is ended by whoever looks, and its task becomes unknown. No runner of that
//     attempt lives then, and none can be born, as whoever could start it had a copy. What the record says is therefore
//     final, and any scheduler may act on it, two at once too: reports are for (task, attempt, claim), so the second
//     changes nothing.
//       no record                 the runner never came to start the command: hand back, the attempt is not counted
//       record and ending         the runner was killed before it could report, or could not reach the database: report
//       record of another claim   of a database that was replaced: failed, and never what that record says
//       record without ending     the runner was killed, the power failed: the command may have run: failed, and started
//                                 again only where the case was given more than one attempt
//  4. What runs is watched by its own runner. Monitoring only ends the claims of the dead and reads their records.
//  5. The runner is in a session of its own: Ctrl-C at the scheduler's terminal is not for it.
//  6. A runner that ended badly (no disk for its record, a library that is gone) has mostly not begun, and its case comes
//     back at once. After each such in a row nothing is started for twice as long, up to half a minute: else a full disk
//     is filled by attempts.
#include "local_executor.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "run_record.hpp"
#include "tooling/spawn.hpp"

namespace gpu_scheduler {
namespace {

constexpr int life_descriptor_of_runner = 3;

std::string in_milliseconds(milliseconds time) {
  return std::to_string(time.count());
}

job_report reconcile(const run_record& record, const lockkit::task_ref& ref) {
  if (!record.has_begun()) return {ref, job_end::never_ran, ""};
  if (!record.is_of_this_claim()) {
    return {ref, job_end::failed,
            fmt::format("'{}' is of another claim, as it is where a database was replaced and its state left: nothing "
                        "was started. Remove the old state, or retry",
                        record.begun().native())};
  }
  if (auto ending = record.ending()) return *ending;
  return {ref, job_end::failed,
          "its runner was killed or the machine went down: whether the case is complete is not known"};
}

}  // namespace

local_executor::local_executor(const configuration& settings, std::filesystem::path program)
    : settings_(settings), program_(std::move(program)) {}

std::string local_executor::name_of(const lockkit::task_ref& ref) const {
  return fmt::format("local-{}-{}", ref.id, ref.attempt);
}

std::vector<std::string> local_executor::runner_command(const job& what) const {
  std::vector<std::string> result = {program_.native(),
                                     "run-job",
                                     "--database",
                                     settings_.database.native(),
                                     "--state",
                                     settings_.state.native(),
                                     "--case",
                                     what.directory.native(),
                                     "--task",
                                     std::to_string(what.ref.id),
                                     "--attempt",
                                     std::to_string(what.ref.attempt),
                                     "--claim",
                                     what.ref.claim_key,
                                     "--name",
                                     name_of(what.ref),
                                     "--life",
                                     std::to_string(life_descriptor_of_runner),
                                     "--time-limit",
                                     in_milliseconds(settings_.limit.time),
                                     "--grace",
                                     in_milliseconds(settings_.limit.grace),
                                     "--retry-after",
                                     in_milliseconds(settings_.limit.retry_after),
                                     "--"};
  result.insert(result.end(), what.command.begin(), what.command.end());
  return result;
}

std::optional<job_report> local_executor::start(const job& what, int life_descriptor) {
  if (life_descriptor < 0) throw std::logic_error("a local job needs a claim that lives as long as the job");
  const std::filesystem::path log = settings_.state / "runners.log";
  refuse_after_failures(log);
  std::error_code ec;
  const pid_t runner = tooling::spawn({.arguments = runner_command(what),
                                       .environment = what.environment,
                                       .directory = {},
                                       .output = log,
                                       .errors = log,
                                       .descriptors = {{life_descriptor, life_descriptor_of_runner}},
                                       .new_session = true},
                                      ec);
  if (ec) throw not_started(fmt::format("cannot start a runner: {}", ec.message()));
  const std::lock_guard hold(mutex_);
  runners_.push_back(runner);
  return job_report{what.ref, job_end::running, ""};
}

std::vector<job_report> local_executor::look(const std::vector<lockkit::task_status>& tasks) {
  reap();
  std::vector<job_report> result;
  for (const lockkit::task_status& each : tasks) {
    if (each.state != lockkit::task_state::unknown) continue;  // rule 4
    const lockkit::task_ref ref = ref_of(each);
    result.push_back(reconcile(run_record(settings_.state, ref), ref));
  }
  return result;
}

/// Rule 6.
void local_executor::refuse_after_failures(const std::filesystem::path& log) {
  reap();
  const std::lock_guard hold(mutex_);
  if (clock::now() >= not_before_) return;
  throw not_started(fmt::format("the runner before ended badly; '{}' may say why", log.native()));
}

void local_executor::reap() {
  const std::lock_guard hold(mutex_);
  std::erase_if(runners_, [&](pid_t runner) {
    int status = 0;
    const pid_t ended = ::waitpid(runner, &status, WNOHANG);
    if (ended == runner) note_end(status);
    return ended != 0;
  });
}

void local_executor::note_end(int status) {
  constexpr milliseconds shortest{500};
  constexpr milliseconds longest{30'000};
  pause_ = status == 0 ? milliseconds(0) : std::clamp(2 * pause_, shortest, longest);
  not_before_ = clock::now() + pause_;
}

}  // namespace gpu_scheduler
