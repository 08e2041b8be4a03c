#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "command.hpp"
#include "daemon.hpp"

namespace gpu_scheduler {

void add_run(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("run", "Serve: start cases that have settled, until SIGTERM; jobs go on then");
  command->callback([&shared] {
    const auto log = spdlog::stderr_color_mt("gpu_scheduler");
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %P %^%l%$ %v");
    spdlog::set_default_logger(log);
    session open(shared, "gpu_scheduler");
    run_daemon(open);
  });
}

}  // namespace gpu_scheduler
