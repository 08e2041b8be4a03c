#include <fmt/format.h>

#include "job_callbacks/command.hpp"

namespace job_callbacks {
namespace {

void run_retry(const context& shared, const std::string& given) {
  session open(read_workflow(shared.file));
  const lockkit::task_status task = find_step(open.queue, given);
  const bool over = task.state == lockkit::task_state::failed || task.state == lockkit::task_state::cancelled;
  if (!over || !open.queue.retry(task.id)) {
    throw failure(exit_status::usage, fmt::format("{} has not failed: it is {}", task.key, to_string(task.state)));
  }
  event_folder(open.what.state).leave({});
  open.managing.run();
}

}  // namespace

void add_retry(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("retry", "Submit a step that failed once more");
  const auto given = std::make_shared<std::string>();
  command->add_option("STEP", *given, "Its number, or STEP/MATERIAL")->required();
  command->callback([given, &shared] { run_retry(shared, *given); });
}

}  // namespace job_callbacks
