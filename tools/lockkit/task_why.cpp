/// lockkit task --db DB why ID
#include <fmt/format.h>

#include "exit_code.hpp"
#include "message.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct why_arguments {
  std::string task;
  bool json = false;
};

const char* name_of(lockkit::wait_reason::kind what) noexcept {
  using kind = lockkit::wait_reason::kind;
  switch (what) {
    case kind::dependency:
      return "dependency";
    case kind::due:
      return "due";
    case kind::resources:
      return "resources";
    case kind::behind:
      return "behind";
    case kind::cancelled:
      return "cancelled";
    case kind::over:
      return "over";
    case kind::held:
      break;
  }
  return "held";
}

int why(const task_context& context, const why_arguments& given) {
  const std::uint64_t id = parse_task(given.task);
  const open_queue open(context, if_missing::refuse);
  json rows = json::array();
  const auto reasons = open.tasks.why(id);
  for (const lockkit::wait_reason& each : reasons) {
    json row = {{"kind", name_of(each.what)}};
    put_text(row, "text", each.text);
    if (given.json) {
      rows.push_back(std::move(row));
    } else {
      fmt::print("{}\n", printable(each.text));
    }
  }
  if (given.json) print_json(rows);
  if (!given.json && reasons.empty()) fmt::print("nothing: it can be taken now\n");
  return done;
}

}  // namespace

void add_task_why(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<why_arguments>();
  CLI::App* sub = task.add_subcommand("why", "What exactly a task waits for");
  sub->add_option("task", given->task, "Its number, or an attempt of it")->type_name("ID")->required();
  sub->add_flag("--json", given->json, "A JSON array");
  sub->footer(
      "--json: [{kind: dependency|due|resources|behind|cancelled|over|held, text}]; empty: it can be taken now.");
  sub->callback([context, given] { context->call.exit_code = why(*context, *given); });
}

}  // namespace lockkit_command
