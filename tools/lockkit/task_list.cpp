/// lockkit task --db DB list
#include <fmt/format.h>

#include <array>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"
#include "options.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct task_list_arguments {
  lockkit::task_filter filter;
  std::string state;
  bool json = false;
};

json needs_json(const lockkit::claim_request& needs) {
  if (needs.pool.empty()) return {};
  json row;
  put_text(row, "pool", needs.pool);
  row["count"] = needs.count;
  row["memory"] = needs.memory;
  put_text(row, "group", needs.group);
  row["one_group"] = needs.one_group;
  const json match = json::parse(needs.match, nullptr, false);
  row["match"] = match.is_object() ? match : json::object();
  return row;
}

std::string text_of(const lockkit::task_status& each) {
  std::string text = fmt::format("{} {}: {}", each.id, printable(each.key), to_string(each.state));
  if (each.attempt > 0) text += fmt::format(", attempt {} of {}", each.attempt, each.max_attempts);
  if (each.cancel_wanted) text += ", to be cancelled";
  if (!each.external.empty()) text += fmt::format(", as {}", printable(each.external));
  if (!each.result.empty()) text += fmt::format(": {}", printable(each.result));
  return text;
}

lockkit::task_state parse_state(const std::string& text) {
  using lockkit::task_state;
  for (const auto state : {task_state::ready, task_state::taken, task_state::submitting, task_state::running,
                           task_state::done, task_state::failed, task_state::cancelled, task_state::unknown}) {
    if (to_string(state) == text) return state;
  }
  throw CLI::ValidationError("--state", "'" + text + "' is no state of a task");
}

int list(const task_context& context, const task_list_arguments& given) {
  const open_queue open(context, if_missing::refuse);
  json rows = json::array();
  for (const auto& each : open.tasks.list(given.filter)) {
    if (given.json) {
      rows.push_back(to_json(each));
    } else {
      fmt::print("{}\n", text_of(each));
    }
  }
  if (given.json) print_json(rows);
  return done;
}

constexpr const char* about_task_list =
    "--json: [{task, queue, key, payload, state, priority, attempt, max_attempts, cancel_wanted, claim, external, "
    "result,\n"
    "needs: {pool, count, memory, group, one_group, match}, submitted, ended}]; null where it does not apply. States:\n"
    "ready, taken, submitting, running, done, failed, cancelled, unknown.";

}  // namespace

json to_json(const lockkit::task_status& task) {
  json row;
  row["task"] = task.id;
  put_text(row, "queue", task.queue);
  put_text(row, "key", task.key);
  put_text(row, "payload", task.payload);
  row["state"] = to_string(task.state);
  row["priority"] = task.priority;
  row["attempt"] = task.attempt;
  row["max_attempts"] = task.max_attempts;
  row["cancel_wanted"] = task.cancel_wanted;
  put_known(row, "claim", task.claim_key);
  put_known(row, "external", task.external);
  put_known(row, "result", task.result);
  row["needs"] = needs_json(task.needs);
  row["submitted"] = utc_text(task.submitted);
  row["ended"] = task.ended ? json(utc_text(*task.ended)) : json();
  return row;
}

void add_task_list(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<task_list_arguments>();
  CLI::App* sub = task.add_subcommand("list", "Tasks in the order of their numbers");
  sub->add_option("--state", given->state, "In this state only")->type_name("STATE");
  sub->add_option("--after", given->filter.after, "Only those behind this number: a page at a time")->type_name("ID");
  sub->add_option("--limit", given->filter.limit, "At most so many [1000]")->type_name("N");
  sub->add_flag("--json", given->json, "A JSON array");
  sub->footer(about_task_list);
  sub->callback([context, given] {
    if (!given->state.empty()) given->filter.state = parse_state(given->state);
    context->call.exit_code = list(*context, *given);
  });
}

}  // namespace lockkit_command
