#include <fmt/format.h>

#include "job_callbacks/command.hpp"

namespace job_callbacks {
namespace {

struct callback_arguments : attempt_arguments {
  int status = 0;
};

/// The event first, and nothing before it: from there on the job's end is known, whatever becomes of this process, of
/// the workflow's file or of the database.
void run_callback(const context& shared, const callback_arguments& given) {
  event_folder(given.state).leave({given.ref, given.status});
  workflow what = read_workflow(shared.file);
  what.state = given.state;
  session(std::move(what)).managing.run();
}

}  // namespace

/// Not for people: the last line of a job.
void add_callback(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("callback", "A job's last line: its step has ended, what comes next?");
  const auto given = std::make_shared<callback_arguments>();
  declare(*command, *given);
  command->add_option("--status", given->status, "Exit status of the step")->required();
  command->callback([given, &shared] { run_callback(shared, *given); });
}

}  // namespace job_callbacks
