#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {
namespace {

void retry(session& open, const lockkit::task_status& task) {
  const bool again = open.queue.retry(task.id);
  fmt::print("{} {}\n", task.key,
             again ? "is ready again" : fmt::format("can't be tried again: it is {}", to_string(task.state)));
}

}  // namespace

void add_retry(CLI::App& app, context& shared) {
  do_with_cases(*app.add_subcommand("retry", "Run cases again that failed or were cancelled"), shared, &retry);
}

}  // namespace gpu_scheduler
