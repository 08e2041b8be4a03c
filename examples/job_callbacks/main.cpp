// job_callbacks: dozens of jobs end at once, and each next step is submitted once. All mechanism is lockkit's (a lock file,
// claims, tasks, unique directories) and examples/slurm's; here are the workflow, events and messages.

#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>

#include "job_callbacks/command.hpp"
#include "tooling/run_app.hpp"

namespace {

using namespace job_callbacks;

constexpr const char* exit_codes = R"(
Exit status
  0   done; also where a manager is at work that will see what was left
  64  wrong arguments
  65  bad data: a wrong workflow, a database of another program
  66  no such file or step
  69  Slurm can't be reached
  70  an error nobody foresaw
  73  a file or a directory can't be made
  74  reading or writing failed
  75  a job that may not run; a manager that is at work for too long
  77  no permission)";

void declare(CLI::App& app, context& shared) {
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_codes);
  app.add_option("--workflow", shared.file, "YAML file; default: workflow.yaml here")
      ->envname("JOB_CALLBACKS_WORKFLOW");
  for (const auto add : {&add_plan, &add_status, &add_reconcile, &add_retry, &add_callback, &add_begin}) {
    add(app, shared);
  }
}

int run(CLI::App& app, context& shared, int argc, char** argv) {
  const auto refused = tooling::run_app(app, argc, argv, [&](const auto& why) { shared.failed(why); });
  return refused ? *refused : static_cast<int>(shared.result);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    context shared;
    CLI::App app("Submits each step of a workflow to Slurm once, whoever calls and whatever crashes", "job_callbacks");
    declare(app, shared);
    return run(app, shared, argc, argv);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "job_callbacks: %s\n", why.what());
    return EX_SOFTWARE;
  }
}
