#include <thread>

#include "job_callbacks/command.hpp"

namespace job_callbacks {
namespace {

using lockkit::deadline;

struct reconcile_arguments {
  double timeout = 60;
  double every = 0;
};

/// False: a watch goes on, since Slurm or a disk may be back the next time.
bool reconcile_once(session& open, context& shared, const reconcile_arguments& given) {
  try {
    const bool had = open.managing.reconcile(deadline::after(std::chrono::duration<double>(given.timeout)));
    shared.result = had ? exit_status::ok : exit_status::try_later;
  } catch (const std::exception& why) {
    if (given.every <= 0) throw;
    say(why.what());
  }
  return given.every <= 0;
}

void run_reconcile(context& shared, const reconcile_arguments& given) {
  session open(read_workflow(shared.file));
  while (!reconcile_once(open, shared, given)) {
    std::this_thread::sleep_for(std::chrono::duration<double>(given.every));
  }
}

}  // namespace

void add_reconcile(CLI::App& app, context& shared) {
  CLI::App* command =
      app.add_subcommand("reconcile", "After crashes: ask Slurm what became of every job, and submit what can begin");
  const auto given = std::make_shared<reconcile_arguments>();
  command->add_option("--timeout", given->timeout, "Seconds to wait for a manager that is at work; 60");
  command->add_option("--every", given->every, "Again each so many seconds, until it is stopped");
  command->callback([given, &shared] { run_reconcile(shared, *given); });
}

}  // namespace job_callbacks
