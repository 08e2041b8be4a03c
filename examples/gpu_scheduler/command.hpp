#pragma once
/// The commands, each in a file of its own: it declares its arguments and runs when they are parsed.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "case_queue.hpp"
#include "configuration.hpp"
#include "failure.hpp"

namespace gpu_scheduler {

/// What all commands share.
struct context {
  std::filesystem::path configuration_file = "gpu_scheduler.yaml";
  std::vector<std::string> job_command;  ///< of run-job
  exit_status result = exit_status::ok;

  /// A failed part of a command: says why, and keeps the first status for the end.
  void failed(const std::string& label, const std::exception& why);
};

/// The configuration and its database, open.
struct session {
  explicit session(const context& shared, const char* label = "command")
      : settings(read_configuration(shared.configuration_file)),
        store(settings.database, {.label = label}),
        queue(store, queue_name) {}

  configuration settings;
  lockkit::claim_store store;
  lockkit::task_queue queue;
};

/// By number, by key, or by the path of its directory. Throws failure if there is none.
[[nodiscard]] lockkit::task_status find_case(const session& open, const std::string& given);

/// Gives `command` the arguments CASE..., and does `act` with each case that they name; one that fails is said, and keeps
/// none of the others from it.
using case_action = void (*)(session& open, const lockkit::task_status& task);
void do_with_cases(CLI::App& command, context& shared, case_action act);

void add_run(CLI::App& app, context& shared);
void add_submit(CLI::App& app, context& shared);
void add_status(CLI::App& app, context& shared);
void add_cancel(CLI::App& app, context& shared);
void add_retry(CLI::App& app, context& shared);
void add_why(CLI::App& app, context& shared);
void add_resources(CLI::App& app, context& shared);
void add_history(CLI::App& app, context& shared);
void add_run_job(CLI::App& app, context& shared);
void add_begin_job(CLI::App& app, context& shared);

}  // namespace gpu_scheduler
