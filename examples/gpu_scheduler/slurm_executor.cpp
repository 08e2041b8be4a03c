#include "slurm_executor.hpp"

#include <fmt/format.h>

#include <utility>

#include <lockkit/directory.hpp>

#include "placeholders.hpp"
#include "slurm/job_mark.hpp"

namespace gpu_scheduler {
namespace {

using kind = slurm::finding::kind;

job_end end_of(kind how) {
  switch (how) {
    case kind::waits:
      return job_end::waiting;
    case kind::runs:
      return job_end::running;
    case kind::done:
      return job_end::done;
    case kind::failed:
      return job_end::failed;
    case kind::stopped:
      return job_end::cancelled;
    case kind::nowhere:
      break;
  }
  return job_end::nowhere;
}

}  // namespace

slurm_executor::slurm_executor(const configuration& settings, std::filesystem::path program,
                               const lockkit::task_queue& queue, slurm::desk::message say)
    : settings_(settings), program_(std::move(program)), desk_(*settings.slurm, queue, std::move(say)) {
  lockkit::ensure_directory(settings_.state / "slurm");
}

std::string slurm_executor::name_of(const lockkit::task_ref& ref) const {
  return slurm::mark_of_intent(ref);
}

/// pueue's jobs live as long, and stand under other names.
bool slurm_executor::may_have(const lockkit::task_status& task) const {
  return executor::may_have(task) && (task.external.empty() || slurm::parse_mark(task.external));
}

slurm::job slurm_executor::slurm_job(const job& what) const {
  const std::filesystem::path run = settings_.state / "runs" / fmt::format("{}-{}", what.ref.id, what.ref.attempt);
  lockkit::ensure_directory(run);
  return {.ref = what.ref,
          .begin = {program_.native(), "begin-job", "--database", settings_.database.native(), "--task",
                    std::to_string(what.ref.id), "--attempt", std::to_string(what.ref.attempt), "--claim",
                    what.ref.claim_key},
          .command = what.command,
          .environment = what.environment,
          .directory = what.directory,
          .script = settings_.state / "slurm" / (slurm::job_name(what.ref) + ".sh"),
          .output = run / "stdout",
          .errors = run / "stderr",
          .options = expand(settings_.slurm->options, what)};
}

std::optional<job_report> slurm_executor::start(const job& what, int /*life_descriptor*/) {
  try {
    const auto submitted = desk_.submit(slurm_job(what));
    if (!submitted) return std::nullopt;
    return job_report{what.ref, job_end::waiting, "", *submitted};
  } catch (const slurm::not_submitted& why) {
    throw not_started(why.what());
  }
}

std::vector<job_report> slurm_executor::look(const std::vector<lockkit::task_status>& tasks) {
  std::vector<job_report> result;
  const auto found = desk_.look(tasks);
  if (!found) return result;
  for (const slurm::finding& each : *found) result.push_back({each.ref, end_of(each.how), each.text, each.mark});
  return result;
}

}  // namespace gpu_scheduler
