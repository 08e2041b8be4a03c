/// lockkit task --db DB finish ATTEMPT
#include "exit_code.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct finish_arguments {
  std::string attempt;
  std::string result;
};

int finish(const task_context& context, const finish_arguments& given) {
  const lockkit::task_ref ref = parse_ref(given.attempt);
  open_queue open(context, if_missing::refuse);
  std::error_code ec;
  open.tasks.finish(ref, given.result, ec);
  return judge_report(given.attempt, ec, open.store);
}

}  // namespace

void add_task_finish(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<finish_arguments>();
  CLI::App* sub = task.add_subcommand("finish", "Report that an attempt has done its task; its claim ends");
  sub->add_option("attempt", given->attempt, "As take prints it")->type_name("ATTEMPT")->required();
  sub->add_option("--result", given->result, "Kept with the task")->type_name("TEXT");
  sub->callback([context, given] { context->call.exit_code = finish(*context, *given); });
}

}  // namespace lockkit_command
