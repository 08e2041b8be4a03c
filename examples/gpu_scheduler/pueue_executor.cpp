// Rules for crashes, each with its reason.
//  1. A job's identity is its label, made from task, attempt and claim before it is handed over. pueue gives the numbers
//     of removed tasks to others: a number is used only right after an answer has shown which label it has.
//  2. The claim ends by nothing but a release (claim_life::released): the work is in pueue's hands, and neither our death
//     nor a reboot of this host says anything about it.
//  3. The client may fail after the daemon has accepted, so a failed call of `add` means "not known", never "not there".
//     Only a client that could not be executed did certainly nothing.
//  4. What is not known is found out by label. Found: it runs, or how it ended. Not found in two answers at least
//     `settle` apart: it is not there; what was never known to run may be begun again, what was has failed. While its
//     intent may still be in the hands of a client (submitting, by another scheduler), the time that a client may take
//     is added; one of our own counts from its end.
//  5. No answer, or one that is not understood, says nothing about any job.
//  6. pueue joins the arguments and has a shell run them. So `--escape` makes it quote each one, and where a shell
//     stands before it (ssh), each is quoted for that as well. The GPUs are given by `env`, as the client's environment
//     is that of another host.
//  7. `pueue restart` makes another task with the same label. Of several, one that lives counts: the GPU is in use.
#include "pueue_executor.hpp"

#include <fmt/format.h>

#include <utility>

#include "failure.hpp"
#include "tooling/words.hpp"

namespace gpu_scheduler {

using lockkit::task_state;

pueue_executor::pueue_executor(const configuration& settings, question has_run, message say)
    : settings_(settings), own_(*settings.pueue), has_run_(std::move(has_run)), say_(std::move(say)) {}

std::string pueue_executor::name_of(const lockkit::task_ref& ref) const {
  return fmt::format("lockkit-{}-{}-{}", ref.id, ref.attempt, ref.claim_key);
}

tooling::client_answer pueue_executor::call(const std::vector<std::string>& arguments) const {
  return tooling::call_client(tooling::by_way_of(own_.client, own_.remote_shell, arguments), own_.timeout);
}

/// Slurm's jobs live as long as pueue's, and stand under other names.
bool pueue_executor::may_have(const lockkit::task_status& task) const {
  return executor::may_have(task) && !task.external.starts_with("slurm:");
}

std::vector<std::string> pueue_executor::add_command(const job& what) const {
  std::vector<std::string> result = {"add",
                                     "--print-task-id",
                                     "--escape",
                                     "--label",
                                     name_of(what.ref),
                                     "--working-directory",
                                     what.directory.native()};
  if (!what.items.empty() && !what.items.front().group.empty()) {
    result.insert(result.end(), {"--group", what.items.front().group});
  }
  result.insert(result.end(), {"--", "env"});
  for (const auto& [name, value] : what.environment) result.push_back(fmt::format("{}={}", name, value));
  const std::vector<std::string> command = tooling::behind_env(what.command);
  result.insert(result.end(), command.begin(), command.end());
  return result;
}

std::optional<job_report> pueue_executor::start(const job& what, int /*life_descriptor*/) {
  const tooling::client_answer answer = call(add_command(what));
  if (!answer.started) throw not_started(answer.complaint());
  if (answer.succeeded()) return job_report{what.ref, job_end::running, ""};
  const std::lock_guard hold(mutex_);
  doubtful_.insert_or_assign(name_of(what.ref), clock::now());
  say_(fmt::format("pueue add for '{}': {}; asking what became of it", what.name, answer.complaint()));
  return std::nullopt;
}

/// nullopt: rule 5.
std::optional<std::map<std::string, pueue_task>> pueue_executor::ask() {
  try {
    const tooling::client_answer answer = call({"status", "--json"});
    if (!answer.succeeded()) throw failure(exit_status::unavailable, answer.complaint());
    std::map<std::string, pueue_task> result;
    for (pueue_task& each : parse_pueue_status(answer.output)) {
      const bool lives = each.state == pueue_state::running || each.state == pueue_state::waiting;
      if (lives || !result.contains(each.label)) result[each.label] = std::move(each);  // rule 7
    }
    if (!std::exchange(reached_, true)) say_("pueue answers again");
    return result;
  } catch (const failure& why) {
    if (std::exchange(reached_, false)) say_(fmt::format("pueue can't be asked: {}", why.what()));
    return std::nullopt;
  }
}

std::vector<job_report> pueue_executor::look(const std::vector<lockkit::task_status>& tasks) {
  std::vector<job_report> result;
  if (tasks.empty()) return result;
  const auto there = ask();
  if (!there) return result;
  for (const lockkit::task_status& each : tasks) {
    const std::string label = name_of(ref_of(each));
    const auto at = there->find(label);
    if (at == there->end()) {
      if (auto gone = missing(each)) result.push_back(std::move(*gone));
      continue;
    }
    missing_since_.erase(label);
    if (each.cancel_wanted) stop(at->second);
    result.push_back(found(each, at->second));
  }
  return result;
}

job_report pueue_executor::found(const lockkit::task_status& task, const pueue_task& there) const {
  const lockkit::task_ref ref = ref_of(task);
  std::error_code ec;
  const bool vanished = !own_.remote_shell && !std::filesystem::is_directory(settings_.folder / task.key, ec);
  switch (there.state) {
    case pueue_state::succeeded:
      if (vanished) return {ref, job_end::failed, "the case directory vanished while it ran"};
      return {ref, job_end::done, "exit status 0"};
    case pueue_state::failed:
      return {ref, job_end::failed, there.detail};
    case pueue_state::killed:
      return {ref, task.cancel_wanted ? job_end::cancelled : job_end::failed, there.detail + " in pueue"};
    default:
      return {ref, job_end::running, ""};
  }
}

/// When it is not there, if it has been missing since then. Before a client of ours has ended, that it was missing says
/// nothing; of the clients of others only the longest time is known.
pueue_executor::clock::time_point pueue_executor::gone_at(const lockkit::task_status& task,
                                                          clock::time_point missing_since) {
  const std::lock_guard hold(mutex_);
  const auto doubt = doubtful_.find(name_of(ref_of(task)));
  if (doubt != doubtful_.end()) return std::max(missing_since, doubt->second) + own_.settle;
  const bool in_flight = task.state == task_state::submitting;
  return missing_since + own_.settle + (in_flight ? own_.timeout : milliseconds(0));
}

/// Rule 4.
std::optional<job_report> pueue_executor::missing(const lockkit::task_status& task) {
  const auto now = clock::now();
  const std::string label = name_of(ref_of(task));
  const auto since = missing_since_.try_emplace(label, now).first->second;
  if (since == now || now < gone_at(task, since)) return std::nullopt;
  missing_since_.erase(label);
  if (task.cancel_wanted) return job_report{ref_of(task), job_end::cancelled, "removed from pueue"};
  if (task.state == task_state::running || has_run_(ref_of(task))) {
    return job_report{ref_of(task), job_end::failed, "pueue does not know it any more: somebody removed it"};
  }
  return job_report{ref_of(task), job_end::never_ran, ""};
}

/// Rule 1: the number is from the answer at hand. A removed task is missing from then on.
void pueue_executor::stop(const pueue_task& there) const {
  if (there.state != pueue_state::running && there.state != pueue_state::waiting) return;
  const tooling::client_answer answer =
      call({there.state == pueue_state::running ? "kill" : "remove", std::to_string(there.id)});
  if (!answer.succeeded()) say_(fmt::format("pueue can't stop task {}: {}", there.id, answer.complaint()));
}

}  // namespace gpu_scheduler
