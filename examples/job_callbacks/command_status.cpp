#include <fmt/format.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "job_callbacks/command.hpp"
#include "slurm/job_mark.hpp"
#include "tooling/words.hpp"

namespace job_callbacks {
namespace {

using lockkit::task_state;
using lockkit::task_status;

struct status_arguments {
  bool json = false;
  std::uint64_t after = 0;
  std::size_t limit = 50;
};

/// A manager ends long before the jobs that it submitted: to the queue they are unknown then, and their marks tell more.
std::string state_of(const task_status& task) {
  const bool outside = task.state == task_state::unknown || task.state == task_state::submitting;
  const auto mark = slurm::parse_mark(task.external);
  if (!outside || !mark || mark->id.empty()) return std::string(to_string(task.state));
  return mark->begun ? "running" : "submitted";
}

struct row {
  task_status task;
  step_payload payload;
  std::string state;
  std::string job;   ///< Slurm's number
  std::string note;  ///< how it ended, or what it waits for
};

row row_of(const session& open, task_status task) {
  row result{.task = std::move(task), .payload = {}, .state = {}, .job = {}, .note = {}};
  result.payload = parse_payload(result.task.payload);
  result.state = state_of(result.task);
  result.job = slurm::parse_mark(result.task.external).value_or(slurm::job_mark{}).id;
  result.note = result.task.result;
  if (result.task.state == task_state::ready) {
    const auto reasons = open.queue.why(result.task.id);
    if (!reasons.empty()) result.note = reasons.front().text;
  }
  return result;
}

std::map<std::string, std::size_t> count_all(const session& open) {
  std::map<std::string, std::size_t> result;
  lockkit::task_filter filter;
  for (auto page = open.queue.list(filter); !page.empty(); page = open.queue.list(filter)) {
    filter.after = page.back().id;
    for (const task_status& each : page) ++result[state_of(each)];
  }
  return result;
}

void print_json(const std::vector<row>& rows, const std::map<std::string, std::size_t>& counts,
                std::optional<std::uint64_t> next) {
  nlohmann::json steps = nlohmann::json::array();
  for (const row& each : rows) {
    steps.push_back({{"id", each.task.id},
                     {"step", each.payload.step},
                     {"material", tooling::visible(each.payload.material)},
                     {"directory", tooling::visible(each.payload.directory)},
                     {"state", each.state},
                     {"attempt", each.task.attempt},
                     {"job", each.job},
                     {"note", tooling::visible(each.note)}});
  }
  nlohmann::json all = {{"steps", steps}, {"counts", counts}, {"next", nullptr}};
  if (next) all["next"] = *next;
  fmt::print("{}\n", all.dump(2));
}

void print_table(const std::vector<row>& rows, const std::map<std::string, std::size_t>& counts,
                 std::optional<std::uint64_t> next) {
  fmt::print("{:>6}  {:<8} {:<24} {:<10} {:>3} {:>8}  {}\n", "number", "step", "material", "state", "try", "job", "");
  for (const row& each : rows) {
    fmt::print("{:>6}  {:<8} {:<24} {:<10} {:>3} {:>8}  {}\n", each.task.id, each.payload.step,
               tooling::visible(each.payload.material), each.state, each.task.attempt, each.job,
               tooling::visible(each.note));
  }
  std::string summary;
  for (const auto& [state, count] : counts)
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, state);
  fmt::print("{}\n", summary.empty() ? "nothing is planned" : summary);
  if (next) fmt::print("more: --after {}\n", *next);
}

void run_status(const context& shared, const status_arguments& given) {
  const session open(read_workflow(shared.file));
  auto page = open.queue.list({.after = given.after, .limit = given.limit + 1});
  std::optional<std::uint64_t> next;
  if (page.size() > given.limit) {
    page.pop_back();
    next = page.back().id;
  }
  std::vector<row> rows;
  rows.reserve(page.size());
  for (task_status& each : page) rows.push_back(row_of(open, std::move(each)));
  given.json ? print_json(rows, count_all(open), next) : print_table(rows, count_all(open), next);
}

}  // namespace

void add_status(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("status", "Show the steps, a page at a time");
  const auto given = std::make_shared<status_arguments>();
  command->add_flag("--json", given->json,
                    "An object with a page of steps, the counts of all, and where the next begins");
  command->add_option("--after", given->after, "The last number of the page before");
  command->add_option("--limit", given->limit, "Steps on a page; 50")->check(CLI::Range(1, 10000));
  command->callback([given, &shared] { run_status(shared, *given); });
}

}  // namespace job_callbacks
