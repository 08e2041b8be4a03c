/// lockkit task --db DB …
#include "options.hpp"
#include "store_subcommands.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

constexpr const char* about_task =
    "A task is submitted once for ever by its key, and taken together with the resources that it needs (see lockkit\n"
    "claim). An attempt, which take prints, is what finish and fail report about: a report that comes late, after the\n"
    "attempt was given to somebody else, changes nothing and gives exit code 1.";

}  // namespace

void add_task(CLI::App& sub, invocation& call) {
  const auto context = std::make_shared<task_context>(task_context{{}, "default", call});
  sub.require_subcommand(1);
  sub.footer("");  // each of those below would have it, too
  add_path(sub, "--db", context->database.path, "The database (or LOCKKIT_DB)")
      ->type_name("FILE")
      ->envname("LOCKKIT_DB")
      ->required();
  sub.add_option("--queue", context->queue, "One of several queues in it [default]")->type_name("NAME");
  sub.add_option("--label", context->database.label, "What others see as the holder")->type_name("TEXT");
  add_task_submit(sub, context);
  add_task_take(sub, context);
  add_task_begin(sub, context);
  add_task_finish(sub, context);
  add_task_fail(sub, context);
  add_task_list(sub, context);
  add_task_show(sub, context);
  add_task_why(sub, context);
  sub.footer(about_task);
  for (CLI::App* each : sub.get_subcommands({})) each->fallthrough();  // --db may stand behind the name, too
}

}  // namespace lockkit_command
