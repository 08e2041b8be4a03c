/// lockkit task --db DB begin --task T --attempt A --job J: the first line of a batch job. Of two submissions that were
/// both accepted by accident, one is told to go on: an attempt runs under one name.
#include <lockkit/error.hpp>

#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct begin_arguments {
  std::uint64_t task = 0;
  std::uint32_t attempt = 0;
  std::string job;
};

int say_not_yours(const begin_arguments& given) {
  say("job {}: attempt {} of task {} is over, or runs as another job already; end without doing anything",
      in_quotes(given.job), given.attempt, given.task);
  return answer_is_no;
}

int begin(const task_context& context, const begin_arguments& given) {
  open_queue open(context, if_missing::refuse);
  const auto task = open.tasks.find(given.task);
  if (!task) throw lockkit::error("begin a task in", open.store.path(), lockkit::errc::no_such_task);
  if (task->attempt != given.attempt) return say_not_yours(given);
  std::error_code ec;
  open.tasks.running({given.task, given.attempt, task->claim_key}, given.job, ec);
  if (ec == lockkit::errc::claim_lost) return say_not_yours(given);
  if (ec) throw lockkit::error("begin a task in", open.store.path(), ec);
  return done;
}

}  // namespace

void add_task_begin(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<begin_arguments>();
  CLI::App* sub = task.add_subcommand("begin", "In a batch job: report that it runs; exit code 1 if it must not");
  sub->add_option("--task", given->task, "The task's number")->type_name("ID")->required();
  sub->add_option("--attempt", given->attempt, "Its attempt's number")->type_name("N")->required();
  sub->add_option("--job", given->job, "The job's own name or number, such as $SLURM_JOB_ID")
      ->type_name("TEXT")
      ->required();
  sub->callback([context, given] { context->call.exit_code = begin(*context, *given); });
}

}  // namespace lockkit_command
