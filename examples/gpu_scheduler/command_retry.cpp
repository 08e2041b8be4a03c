#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {

void add_retry(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("retry", "Run cases again that failed or were cancelled");
  const auto cases = std::make_shared<std::vector<std::string>>();
  command->add_option("CASE", *cases, "Number, name or directory")->required();
  command->callback([cases, &shared] {
    session open(shared);
    for (const std::string& each : *cases) {
      try {
        const lockkit::task_status task = find_case(open, each);
        const bool again = open.queue.retry(task.id);
        fmt::print("{} {}\n", task.key,
                   again ? "is ready again" : fmt::format("can't be tried again: it is {}", to_string(task.state)));
      } catch (const std::exception& why) {
        shared.failed(each, why);
      }
    }
  });
}

}  // namespace gpu_scheduler
