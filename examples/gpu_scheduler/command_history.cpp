#include <fmt/format.h>

#include <lockkit/staged_file.hpp>

#include "case_table.hpp"
#include "command.hpp"
#include "timeline.hpp"

namespace gpu_scheduler {
namespace {

void print_attempts(const session& open) {
  fmt::print("{:<21} {:<24} {:>3} {:>12}  {:<11} {}\n", "began", "case", "try", "took", "outcome", "on");
  const auto now = std::chrono::system_clock::now();
  for (const lockkit::task_attempt& each : all_attempts(open.queue)) {
    fmt::print("{:<21} {:<24} {:>3} {:>12}  {:<11} {}\n", describe_time(each.taken), printable(each.key), each.attempt,
               describe_duration(each.ended.value_or(now) - each.taken), each.outcome.empty() ? "runs" : each.outcome,
               names_of(each.items));
  }
}

void write_page(const session& open, const std::filesystem::path& file) {
  const timeline_data data{all_cases(open.queue), open.store.list(open.settings.pool, true),
                           std::chrono::system_clock::now(), open.settings.folder.native()};
  lockkit::publish(file, timeline_page(data), lockkit::durability::visible);
  fmt::print("{}\n", file.native());
}

}  // namespace

void add_history(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("history", "Show every attempt at a case; or a page with a timeline per GPU");
  const auto html = std::make_shared<std::string>();
  command->add_option("--html", *html, "Write a page for a browser, complete in itself");
  command->callback([html, &shared] {
    const session open(shared);
    html->empty() ? print_attempts(open) : write_page(open, *html);
  });
}

}  // namespace gpu_scheduler
