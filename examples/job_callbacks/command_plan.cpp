#include <fmt/format.h>

#include "job_callbacks/command.hpp"
#include "job_callbacks/plan.hpp"

namespace job_callbacks {
namespace {

void run_plan(const context& shared) {
  session open(read_workflow(shared.file, reading::with_materials));
  const planned made = plan(open.queue, open.what);
  fmt::print("{} steps planned, {} were planned before\n", made.fresh, made.known);
  if (!set_limit(open.store, open.what.limit)) {
    fmt::print("more jobs are there now than max_jobs allows: the limit stays as it was; plan again later\n");
  }
  std::fflush(stdout);
  event_folder(open.what.state).leave({});  // should a manager be at work, it sees the new steps
  open.managing.run();
}

}  // namespace

void add_plan(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("plan", "Record every step of every material once, and submit what can begin");
  command->add_option("FILE", shared.file, "The workflow, in YAML");
  command->callback([&shared] { run_plan(shared); });
}

}  // namespace job_callbacks
