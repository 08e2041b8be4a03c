#pragma once
/// The commands, each in a file of its own: it declares its arguments and runs when they are parsed.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "job_callbacks/manager.hpp"
#include "job_callbacks/step_task.hpp"
#include "job_callbacks/workflow.hpp"
#include "tooling/failure.hpp"

namespace job_callbacks {

using tooling::exit_status;
using tooling::failure;

/// What all commands share.
struct context {
  std::filesystem::path file = "workflow.yaml";
  exit_status result = exit_status::ok;

  void failed(const std::exception& why);
};

/// The workflow and its database, open.
struct session {
  explicit session(workflow read);

  workflow what;
  lockkit::claim_store store;
  lockkit::task_queue queue;
  manager managing;
};

/// An attempt, as a job knows it.
struct attempt_arguments {
  std::filesystem::path state;
  lockkit::task_ref ref;
};
void declare(CLI::App& command, attempt_arguments& given);

/// On stderr, with the time.
void say(const std::string& text);

/// By number or by "STEP/MATERIAL". Throws failure if there is none.
[[nodiscard]] lockkit::task_status find_step(const lockkit::task_queue& queue, const std::string& given);

void add_plan(CLI::App& app, context& shared);
void add_status(CLI::App& app, context& shared);
void add_reconcile(CLI::App& app, context& shared);
void add_retry(CLI::App& app, context& shared);
void add_callback(CLI::App& app, context& shared);
void add_begin(CLI::App& app, context& shared);

}  // namespace job_callbacks
