#include <fmt/format.h>

#include "command.hpp"

namespace gpu_scheduler {
namespace {

void submit(const session& open, lockkit::task_queue& queue, const std::string& given) {
  if (!std::filesystem::is_directory(given)) {
    throw failure(exit_status::no_input, fmt::format("'{}' is not a directory", given));
  }
  const lockkit::submission done = submit_case(queue, open.settings, given);
  fmt::print("{} {}{}\n", done.id, key_of(open.settings, given), done.fresh ? "" : ": was submitted before");
}

}  // namespace

void add_submit(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("submit", "Submit case directories now, without waiting for them to settle");
  const auto cases = std::make_shared<std::vector<std::string>>();
  command->add_option("DIRECTORY", *cases)->required();
  command->callback([cases, &shared] {
    session open(shared);
    for (const std::string& each : *cases) {
      try {
        submit(open, open.queue, each);
      } catch (const std::exception& why) {
        shared.failed(each, why);
      }
    }
  });
}

}  // namespace gpu_scheduler
