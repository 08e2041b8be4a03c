// gpu_scheduler: cases, copied into a folder, run each once on the next free GPU of any group. All mechanism is lockkit's:
// folders that have settled, claims, tasks. Here are the configuration, the executors and messages.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "command.hpp"
#include "tooling/run_app.hpp"

namespace {

using namespace gpu_scheduler;

constexpr const char* exit_codes = R"(
Exit status
  0   done
  64  wrong arguments
  65  bad data: a wrong configuration or case.yaml, a database of another program
  66  no such file, case or GPU
  69  the executor can't be reached
  70  an error nobody foresaw
  73  a file or a directory can't be made
  74  reading or writing failed
  75  a job that may not run: its attempt is another's
  77  no permission)";

void declare(CLI::App& app, context& shared) {
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_codes);
  app.add_option("--config", shared.configuration_file, "YAML file; default: gpu_scheduler.yaml here")
      ->envname("GPU_SCHEDULER_CONFIG");
  for (const auto add : {&add_run, &add_submit, &add_status, &add_cancel, &add_retry, &add_why, &add_resources,
                         &add_history, &add_run_job, &add_begin_job}) {
    add(app, shared);
  }
}

/// A job's command is not CLI11's business, which takes "[a,b]" for a list of two. The count of the other arguments.
int set_aside_job(int argc, char** argv, context& shared) {
  char** const end = argv + argc;
  char** const mark = std::find(argv, end, std::string_view("--"));
  if (mark == end || std::find(argv, mark, std::string_view("run-job")) == mark) return argc;
  shared.job_command.assign(mark + 1, end);
  return static_cast<int>(mark - argv);
}

int run(CLI::App& app, context& shared, int argc, char** argv) {
  const auto refused = tooling::run_app(app, argc, argv, [&](const auto& why) { shared.failed("gpu_scheduler", why); });
  return refused ? *refused : static_cast<int>(shared.result);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    context shared;
    CLI::App app("Runs each case of a folder once, on the next free GPU of any group", "gpu_scheduler");
    declare(app, shared);
    return run(app, shared, set_aside_job(argc, argv, shared), argv);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "gpu_scheduler: %s\n", why.what());
    return EX_SOFTWARE;
  }
}
