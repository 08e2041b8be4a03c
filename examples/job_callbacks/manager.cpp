// Rules, each with its reason.
//  1. One manager at a time, by a lock file that scripts see, too. It is tried and never waited for: a job's last line
//     must not queue up behind fifty others. Who does not get it has left its event on disk before.
//  2. After the release the manager looks whether an event lies there, and if so tries for the lock again. An event may
//     have come between its last look and the release, when whoever left it was turned away. That look is after the
//     release, the turning away before it, and the event before that: it is seen; or another manager got the lock, which
//     looks later still. The same when its work ended by an exception, and once more only: that may be a full disk.
//  3. An event is removed when the queue has it on disk. A manager that is killed between leaves one that is reported
//     twice, which changes nothing.
//  4. A step is taken together with a slot (max_jobs less reserve) straight into `submitting`: the intent is on disk
//     before Slurm hears of it, and a manager that is killed at any point after that leaves an attempt that nobody takes
//     before it is known what became of it (examples/slurm/desk.cpp).
//  5. A pass ends at the first submission of which Slurm knows nothing: a controller that does not answer would be asked
//     fifty times, for a minute each.
//  6. Callbacks settle what can be settled at once: what Slurm knows is adopted. That a job is nowhere takes time to
//     see, and is left to `reconcile`.
#include "job_callbacks/manager.hpp"

#include <fmt/format.h>

#include <utility>

#include <lockkit/backoff.hpp>
#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>
#include <lockkit/inspect.hpp>

#include "slurm/job_mark.hpp"
#include "tooling/confined.hpp"
#include "tooling/failure.hpp"
#include "tooling/words.hpp"

namespace job_callbacks {
namespace {

using lockkit::deadline;
using lockkit::task_state;
using lockkit::task_status;
using slurm::finding;
using tooling::exit_status;
using tooling::failure;

bool is_doubtful(const task_status& task) {
  return slurm::parse_mark(task.external).value_or(slurm::job_mark{}).id.empty();
}

/// Of this material alone: the others must not wait for it.
bool is_for_good(const std::error_code& why) {
  return why == std::errc::permission_denied || why == std::errc::operation_not_permitted ||
         why == std::errc::read_only_file_system || why == std::errc::filename_too_long;
}

std::string holder_of(const std::filesystem::path& lock) {
  const auto seen = lockkit::inspect(lock);
  return seen.holder ? seen.holder->describe() : "somebody";
}

}  // namespace

manager::manager(const workflow& what, lockkit::claim_store& store, lockkit::task_queue& queue, message say)
    : what_(what),
      store_(store),
      queue_(queue),
      say_(std::move(say)),
      events_(what.state),
      turn_(what.state / "manager.lock", {.label = "job_callbacks", .foreign = lockkit::foreign_policy::reclaim_dead}),
      desk_(what.slurm, queue, [this](const std::string& text) { say_(text); }) {
  lockkit::ensure_directory(what_.state / "scripts");
  lockkit::ensure_directory(what_.root);
}

bool manager::run() {
  try {
    return run_while_events();
  } catch (...) {
    if (!events_.is_empty()) run_while_events();  // rule 2
    throw;
  }
}

bool manager::run_while_events() {
  do {
    if (!turn_.try_lock()) {  // rule 1
      say_(fmt::format("a manager is at work ({}); it will see this", holder_of(turn_.path())));
      return false;
    }
    const std::unique_lock hold(turn_, std::adopt_lock);
    work(depth::doubtful);
  } while (!events_.is_empty());  // rule 2
  return true;
}

bool manager::reconcile(deadline turn) {
  if (!turn_.try_lock_until(turn)) {
    say_(fmt::format("a manager is at work ({}), for too long", holder_of(turn_.path())));
    return false;
  }
  try {
    const std::unique_lock hold(turn_, std::adopt_lock);
    work(depth::everything);
  } catch (...) {
    if (!events_.is_empty()) run_while_events();  // rule 2
    throw;
  }
  return events_.is_empty() || run();
}

void manager::work(depth how) {
  drain();
  store_.bury_dead();  // whose manager was killed is unknown from here on
  if (how == depth::everything) {
    remove_scripts();
    look_at_everything();
  } else {
    look(how);
  }
  submit_ready();
}

/// Of managers that were killed: nobody else submits.
void manager::remove_scripts() const {
  std::error_code ec;
  for (const auto& each : std::filesystem::directory_iterator(what_.state / "scripts", ec)) {
    std::filesystem::remove(each.path(), ec);
  }
}

/// Rule 3.
void manager::drain() {
  for (const std::filesystem::path& file : events_.list()) {
    const auto what = event_folder::read(file);
    if (!what) {
      say_(fmt::format("'{}' is no event; moved to 'rejected'", tooling::visible(file.filename().native())));
      events_.reject(file);
      continue;
    }
    if (what->ref.id != 0) {
      const bool good = what->status == 0;
      tell({what->ref, good ? finding::kind::done : finding::kind::failed, "",
            fmt::format("exit status {}", what->status)});
    }
    event_folder::remove(file);
  }
}

std::vector<task_status> manager::handed_over(depth how) const {
  std::vector<task_status> result;
  for (const task_state state : {task_state::submitting, task_state::running, task_state::unknown}) {
    lockkit::task_filter filter{.state = state};
    for (auto page = queue_.list(filter); !page.empty(); page = queue_.list(filter)) {
      filter.after = page.back().id;
      for (task_status& each : page) {
        if (how == depth::everything || is_doubtful(each)) result.push_back(std::move(each));
      }
    }
  }
  return result;
}

/// False: Slurm can't be asked. What a job said itself before Slurm ended it counts, and not how it ended then.
bool manager::look(depth how) {
  const bool all = how == depth::everything;
  const auto found = desk_.look(handed_over(how), all ? slurm::reach::all : slurm::reach::some);
  if (!found) return false;
  if (all) drain();  // otherwise a pass may end here, and nobody would submit what follows them
  for (const finding& each : *found) tell(each);
  return true;
}

/// Again while there is something of which it is too early to say that it is nowhere. The others go on meanwhile.
void manager::look_at_everything() {
  lockkit::backoff pauses({.first = what_.slurm.settle / 8, .longest = what_.slurm.settle});
  deadline patience = deadline::after(what_.slurm.timeout);
  for (;;) {
    const bool answered = look(depth::everything);
    if (answered && desk_.missing() == 0) return;
    if (!answered && patience.expired()) throw failure(exit_status::unavailable, "Slurm does not answer");
    if (answered) {
      patience = deadline::after(what_.slurm.timeout);
      submit_ready();
    }
    pauses.sleep(deadline::never());
  }
}

void manager::submit_ready() {
  for (std::uint32_t n = 0; n < what_.limit.max_submit; ++n) {
    auto taken = queue_.try_take({.submitting = true});  // rule 4
    if (!taken || !hand_over(std::move(*taken))) return;
  }
}

/// In the material's own directory of this step, which lies inside the root whatever was planted there, an attempt has
/// one of its own: what an earlier one left, or still writes, is out of its way.
slurm::job manager::job_for(const lockkit::task_ref& ref, const step_payload& payload) const {
  const auto place = tooling::confined_directory::make(what_.root, payload.directory);
  const auto made = lockkit::create_unique_directory(place.path(), "run_");
  const std::filesystem::path directory = what_.root / payload.directory;
  const std::filesystem::path run = directory / made.filename();
  const std::string program = slurm::this_program().native();
  const auto own_command = [&](const char* name) -> std::vector<std::string> {
    return {program,      name,
            "--workflow", what_.file.native(),
            "--state",    what_.state.native(),
            "--task",     std::to_string(ref.id),
            "--attempt",  std::to_string(ref.attempt),
            "--claim",    ref.claim_key};
  };
  std::vector<std::string> options = what_.slurm.options;
  options.insert(options.end(), payload.options.begin(), payload.options.end());
  return {.ref = ref,
          .begin = own_command("begin"),
          .command = expand(payload.command, payload, what_.root, run, ref.attempt),
          .environment = {},
          .directory = directory,
          .end = own_command("callback"),
          .script = what_.state / "scripts" / (slurm::job_name(ref) + ".sh"),
          .output = run / "stdout",
          .errors = run / "stderr",
          .options = expand(options, payload, what_.root, run, ref.attempt)};
}

/// nullopt: it can't be done, and has failed.
std::optional<slurm::job> manager::prepare(const lockkit::taken_task& taken) {
  try {
    return job_for(taken.ref, parse_payload(taken.payload));
  } catch (const failure& why) {
    tell({taken.ref, finding::kind::failed, "", why.what()});
    return std::nullopt;
  } catch (const std::system_error& why) {  // a full disk passes, and is met again by each step
    if (!is_for_good(why.code())) {
      queue_.hand_back(taken.ref);
      throw;
    }
    tell({taken.ref, finding::kind::failed, "", why.what()});
    return std::nullopt;
  } catch (const std::exception&) {
    queue_.hand_back(taken.ref);
    throw;
  }
}

/// False: the pass ends (rule 5).
bool manager::hand_over(lockkit::taken_task taken) {
  const lockkit::task_ref& ref = taken.ref;
  const auto what = prepare(taken);
  if (!what) return true;
  queue_.submitting(ref, slurm::mark_of_intent(ref));
  try {
    const auto mark = desk_.submit(*what);
    taken.held.detach();  // Slurm's from here on, or nobody knows
    if (!mark) return resolve_doubt(ref);
    tell({ref, finding::kind::waits, *mark, ""});
    say_(fmt::format("{} is submitted ({})", taken.key, *mark));
    return true;
  } catch (const slurm::not_submitted& why) {
    queue_.hand_back(ref);
    throw failure(exit_status::unavailable, why.what());
  }
}

/// Rule 6. True: Slurm has it after all.
bool manager::resolve_doubt(const lockkit::task_ref& ref) {
  const auto task = queue_.find(ref.id);
  if (!task || !look(depth::doubtful)) return false;
  const auto now = queue_.find(ref.id);
  const bool known = now && !is_doubtful(*now);
  if (!known) say_(fmt::format("whether {} was submitted is not known: run 'job_callbacks reconcile'", task->key));
  return known;
}

void manager::tell(const finding& what) {
  if (!slurm::report(queue_, what)) return;  // its job was first
  if (what.how == finding::kind::waits || what.how == finding::kind::runs) return;
  const auto task = queue_.find(what.ref.id);
  const std::string text = what.how == finding::kind::nowhere ? "Slurm knows nothing of it" : what.text;
  if (task) say_(fmt::format("{}: {} ({})", task->key, to_string(task->state), text));
}

}  // namespace job_callbacks
