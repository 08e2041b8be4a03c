/// lockkit task --db DB fail ATTEMPT
#include "exit_code.hpp"
#include "options.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct fail_arguments {
  std::string attempt;
  std::string reason;
  std::chrono::nanoseconds retry_after{0};
  bool hand_back = false;
};

int fail(const task_context& context, const fail_arguments& given) {
  const lockkit::task_ref ref = parse_ref(given.attempt);
  open_queue open(context, if_missing::refuse);
  std::error_code ec;
  if (given.hand_back) {
    open.tasks.hand_back(ref, ec);
  } else {
    const auto longest = std::chrono::nanoseconds(std::chrono::hours(24 * 365 * 100));
    const auto pause = std::chrono::ceil<std::chrono::milliseconds>(std::min(given.retry_after, longest));
    open.tasks.fail(ref, given.reason, pause, ec);
  }
  return judge_report(given.attempt, ec, open.store);
}

}  // namespace

void add_task_fail(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<fail_arguments>();
  CLI::App* sub = task.add_subcommand("fail", "Report that an attempt has failed; ready again if it has attempts left");
  sub->add_option("attempt", given->attempt, "As take prints it")->type_name("ATTEMPT")->required();
  auto* reason = sub->add_option("--reason", given->reason, "Kept with the task")->type_name("TEXT");
  auto* pause = add_duration(*sub, "--retry-after", given->retry_after, "Not taken again before so long from now");
  sub->add_flag("--hand-back", given->hand_back, "It never began: ready again at once, the attempt not counted")
      ->excludes(reason)
      ->excludes(pause);
  sub->callback([context, given] { context->call.exit_code = fail(*context, *given); });
}

}  // namespace lockkit_command
