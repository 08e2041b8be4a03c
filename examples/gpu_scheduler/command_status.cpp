#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <thread>

#include "case_table.hpp"
#include "command.hpp"

namespace gpu_scheduler {
namespace {

using lockkit::task_state;

struct status_arguments {
  bool watch = false;
  bool json = false;
};

nlohmann::json json_of(const case_row& row, wall_time now) {
  const lockkit::task_status& task = row.task;
  nlohmann::json result = {
      {"id", task.id},
      {"case", task.key},
      {"state", std::string(to_string(task.state))},
      {"attempt", task.attempt},
      {"group",
       row.attempts.empty() || row.attempts.back().items.empty() ? "" : row.attempts.back().items.front().group},
      {"submitted", describe_time(task.submitted)},
      {"waited_s", row.waited(now).count()},
      {"ran_s", row.ran(now).count()},
      {"external", task.external},
      {"result", task.result}};
  nlohmann::json names = nlohmann::json::array();
  if (!row.attempts.empty()) {
    for (const lockkit::claimed_item& each : row.attempts.back().items) names.push_back(each.name);
  }
  result["gpus"] = names;
  return result;
}

void print_json(const std::vector<case_row>& rows, wall_time now) {
  nlohmann::json all = nlohmann::json::array();
  for (const case_row& each : rows) all.push_back(json_of(each, now));
  fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string summary(const std::vector<case_row>& rows) {
  std::map<task_state, unsigned> counts;
  for (const case_row& each : rows) ++counts[each.task.state];
  std::string text;
  for (const auto& [state, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, to_string(state));
  }
  return text.empty() ? "no cases" : text;
}

std::string table(const std::vector<case_row>& rows, wall_time now) {
  std::string text = fmt::format("{:>6} {:<24} {:<10} {:>3} {:>12} {:>12}  {:<24} {}\n", "number", "case", "state",
                                 "try", "waited", "ran", "on", "result");
  for (const case_row& each : rows) {
    const std::string state = std::string(to_string(each.task.state)) + (each.task.cancel_wanted ? "*" : "");
    text += fmt::format("{:>6} {:<24} {:<10} {:>3} {:>12} {:>12}  {:<24} {}\n", each.task.id, printable(each.task.key),
                        state, each.task.attempt, describe_duration(each.waited(now)), describe_duration(each.ran(now)),
                        printable(each.resources()), printable(each.task.result));
  }
  return text + summary(rows) + "\n";
}

void show(const session& open, const status_arguments& given) {
  const auto now = std::chrono::system_clock::now();
  const std::vector<case_row> rows = all_cases(open.queue);
  given.json ? print_json(rows, now) : fmt::print("{}", table(rows, now));
}

/// Again at each change, by event; on a terminal in place. Until Ctrl-C.
void watch(session& open, const status_arguments& given) {
  const bool in_place = ::isatty(STDOUT_FILENO) == 1 && !given.json;
  for (;;) {
    open.queue.wait_for_change(lockkit::deadline::after(std::chrono::minutes(1)));
    if (in_place) fmt::print("\033[H\033[2J");
    show(open, given);
    if (std::fflush(stdout) != 0) return;
  }
}

}  // namespace

void add_status(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("status", "Show the cases: waiting, running and over");
  const auto given = std::make_shared<status_arguments>();
  command->add_flag("--watch", given->watch, "Again at each change, until Ctrl-C");
  command->add_flag("--json", given->json, "An array of objects instead of a table");
  command->callback([given, &shared] {
    session open(shared);
    given->watch ? watch(open, *given) : show(open, *given);
  });
}

}  // namespace gpu_scheduler
