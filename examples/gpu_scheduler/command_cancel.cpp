#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {
namespace {

void cancel(session& open, const lockkit::task_status& task) {
  if (!open.queue.cancel(task.id)) {
    fmt::print("{} is over already: {}\n", task.key, to_string(task.state));
    return;
  }
  const auto now = open.queue.find(task.id);
  const bool at_once = now && now->state == lockkit::task_state::cancelled;
  fmt::print("{} {}\n", task.key, at_once ? "is cancelled" : "is being stopped");
}

}  // namespace

void add_cancel(CLI::App& app, context& shared) {
  do_with_cases(*app.add_subcommand("cancel", "Stop cases: waiting ones at once, running ones by SIGTERM"), shared,
                &cancel);
}

}  // namespace gpu_scheduler
