#include "command.hpp"
#include "runner.hpp"

namespace gpu_scheduler {

/// Not for people: local_executor.cpp starts it.
void add_run_job(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("run-job", "")->group("");
  const auto given = std::make_shared<runner_arguments>();
  const auto times = std::make_shared<std::array<std::int64_t, 3>>();
  given->queue = queue_name;
  command->add_option("--database", given->database)->required();
  command->add_option("--state", given->state)->required();
  command->add_option("--case", given->directory)->required();
  command->add_option("--task", given->ref.id)->required();
  command->add_option("--attempt", given->ref.attempt)->required();
  command->add_option("--claim", given->ref.claim_key)->required();
  command->add_option("--name", given->external)->required();
  command->add_option("--life", given->life)->required();
  command->add_option("--time-limit", times->at(0), "milliseconds");
  command->add_option("--grace", times->at(1), "milliseconds");
  command->add_option("--retry-after", times->at(2), "milliseconds");
  command->callback([given, times, &shared] {
    given->time_limit = milliseconds(times->at(0));
    given->grace = milliseconds(times->at(1));
    given->retry_after = milliseconds(times->at(2));
    given->command = shared.job_command;
    if (given->command.empty()) throw failure(exit_status::usage, "run-job: no command behind '--'");
    shared.result = static_cast<exit_status>(run_job(*given));
  });
}

}  // namespace gpu_scheduler
