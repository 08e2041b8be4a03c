#include <fmt/format.h>

#include "job_callbacks/command.hpp"
#include "slurm/begin.hpp"

namespace job_callbacks {
namespace {

struct begin_arguments : attempt_arguments {
  std::string job;
  std::string restarts = "0";
};

void run_begin(const begin_arguments& given) {
  lockkit::claim_store store(given.state / "steps.db", {.label = "job " + given.job});
  lockkit::task_queue queue(store, queue_name);
  if (slurm::may_begin(queue, given.ref, given.job, given.restarts)) return;
  throw failure(exit_status::try_later,
                fmt::format("job {} may not run: attempt {} of step {} is another job's, or was given up", given.job,
                            given.ref.attempt, given.ref.id));
}

}  // namespace

/// Not for people: the first line of a job.
void add_begin(CLI::App& app, context& /*shared*/) {
  CLI::App* command = app.add_subcommand("begin", "A job's first line: may it run?");
  const auto given = std::make_shared<begin_arguments>();
  declare(*command, *given);
  command->add_option("--job", given->job, "Slurm's number of the job")->required();
  command->add_option("--restarts", given->restarts, "How often Slurm has run it before");
  command->callback([given] { run_begin(*given); });
}

}  // namespace job_callbacks
