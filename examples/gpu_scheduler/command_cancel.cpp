#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {
namespace {

void cancel(lockkit::task_queue& queue, const lockkit::task_status& task) {
  if (!queue.cancel(task.id)) {
    fmt::print("{} is over already: {}\n", task.key, to_string(task.state));
    return;
  }
  const auto now = queue.find(task.id);
  const bool at_once = now && now->state == lockkit::task_state::cancelled;
  fmt::print("{} {}\n", task.key, at_once ? "is cancelled" : "is being stopped");
}

}  // namespace

void add_cancel(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("cancel", "Stop cases: waiting ones at once, running ones by SIGTERM");
  const auto cases = std::make_shared<std::vector<std::string>>();
  command->add_option("CASE", *cases, "Number, name or directory")->required();
  command->callback([cases, &shared] {
    session open(shared);
    for (const std::string& each : *cases) {
      try {
        cancel(open.queue, find_case(open, each));
      } catch (const std::exception& why) {
        shared.failed(each, why);
      }
    }
  });
}

}  // namespace gpu_scheduler
