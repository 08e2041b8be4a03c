#include <fmt/format.h>

#include "command.hpp"
#include "slurm/begin.hpp"

namespace gpu_scheduler {
namespace {

struct arguments {
  std::filesystem::path database;
  lockkit::task_ref ref;
  std::string job;
  std::string restarts = "0";
};

void begin(const arguments& given) {
  lockkit::claim_store store(given.database, {.label = "job " + given.job});
  lockkit::task_queue queue(store, queue_name);
  if (slurm::may_begin(queue, given.ref, given.job, given.restarts)) return;
  throw failure(exit_status::try_later,
                fmt::format("job {} may not run: attempt {} of case {} is another job's, or was given up", given.job,
                            given.ref.attempt, given.ref.id));
}

}  // namespace

/// Not for people: the first line of a job in Slurm.
void add_begin_job(CLI::App& app, context& /*shared*/) {
  CLI::App* command = app.add_subcommand("begin-job", "")->group("");
  const auto given = std::make_shared<arguments>();
  command->add_option("--database", given->database)->required();
  command->add_option("--task", given->ref.id)->required();
  command->add_option("--attempt", given->ref.attempt)->required();
  command->add_option("--claim", given->ref.claim_key)->required();
  command->add_option("--job", given->job)->required();
  command->add_option("--restarts", given->restarts);
  command->callback([given] { begin(*given); });
}

}  // namespace gpu_scheduler
