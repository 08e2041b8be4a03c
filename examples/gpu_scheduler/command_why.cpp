#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {

void add_why(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("why", "Say what a case waits for");
  const auto given = std::make_shared<std::string>();
  command->add_option("CASE", *given, "Number, name or directory")->required();
  command->callback([given, &shared] {
    const session open(shared);
    const lockkit::task_status task = find_case(open, *given);
    const auto reasons = open.queue.why(task.id);
    if (reasons.empty()) fmt::print("{} waits for nothing: a running scheduler takes it\n", task.key);
    for (const lockkit::wait_reason& each : reasons) fmt::print("{}\n", each.text);
    if (!task.result.empty()) fmt::print("{}\n", task.result);
  });
}

}  // namespace gpu_scheduler
