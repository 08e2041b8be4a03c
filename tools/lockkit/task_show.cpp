/// lockkit task --db DB show ID
#include <fmt/format.h>

#include <cstdio>

#include <lockkit/error.hpp>

#include "exit_code.hpp"
#include "options.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

enum class field { all, key, payload, result, state };

struct show_arguments {
  std::string task;
  field what = field::all;
};

int show(const task_context& context, const show_arguments& given) {
  const std::uint64_t id = parse_task(given.task);
  const open_queue open(context, if_missing::refuse);
  const auto task = open.tasks.find(id);
  if (!task) throw lockkit::error("show a task of", open.store.path(), lockkit::errc::no_such_task, given.task);
  if (given.what == field::all) {
    print_json(to_json(*task));
    return done;
  }
  const std::string text = given.what == field::key       ? task->key
                           : given.what == field::payload ? task->payload
                           : given.what == field::result  ? task->result
                                                          : std::string(to_string(task->state));
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (given.what != field::payload) std::fputc('\n', stdout);
  return done;
}

}  // namespace

void add_task_show(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<show_arguments>();
  CLI::App* sub = task.add_subcommand("show", "One task, as list --json shows it, or one field of it as it is");
  sub->add_option("task", given->task, "Its number, or an attempt of it")->type_name("ID")->required();
  add_choice<field>(
      *sub, "--field", given->what,
      {{"key", field::key}, {"payload", field::payload}, {"result", field::result}, {"state", field::state}},
      "Only this, byte for byte; all but the payload with a newline behind");
  sub->callback([context, given] { context->call.exit_code = show(*context, *given); });
}

}  // namespace lockkit_command
