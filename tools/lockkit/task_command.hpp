#pragma once
/// lockkit task: each of its subcommands adds itself to it.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include <lockkit/task_queue.hpp>

#include "database.hpp"
#include "json_output.hpp"
#include "subcommand.hpp"

namespace lockkit_command {

/// What they share.
struct task_context {
  database_arguments database;
  std::string queue = "default";
  invocation& call;
};
using shared_task_context = std::shared_ptr<task_context>;

/// An open database and the queue in it.
struct open_queue {
  open_queue(const task_context& context, if_missing what)
      : store(open_database(context.database, what)), tasks(store, context.queue) {}

  lockkit::claim_store store;
  lockkit::task_queue tasks;
};

void add_task_begin(CLI::App& task, const shared_task_context& context);
void add_task_fail(CLI::App& task, const shared_task_context& context);
void add_task_finish(CLI::App& task, const shared_task_context& context);
void add_task_list(CLI::App& task, const shared_task_context& context);
void add_task_show(CLI::App& task, const shared_task_context& context);
void add_task_submit(CLI::App& task, const shared_task_context& context);
void add_task_take(CLI::App& task, const shared_task_context& context);
void add_task_why(CLI::App& task, const shared_task_context& context);

/// An attempt, as `take` prints it and the reports take it: "17.1.0123456789abcdef0123456789abcdef", the task, the
/// attempt and its claim.
[[nodiscard]] std::string attempt_text(const lockkit::task_ref& ref);
/// failure(bad_data) for any other text.
[[nodiscard]] lockkit::task_ref parse_ref(const std::string& text);
/// The number of a task, or an attempt of it. failure(bad_data).
[[nodiscard]] std::uint64_t parse_task(const std::string& text);

/// For reports: errc::claim_lost is an answer, not an error. The exit code.
[[nodiscard]] int judge_report(const std::string& ref, const std::error_code& ec, const lockkit::claim_store& store);

[[nodiscard]] json to_json(const lockkit::task_status& task);

}  // namespace lockkit_command
