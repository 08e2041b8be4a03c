/// lockkit wait PATH [--timeout S]
#include <memory>

#include <lockkit/inspect.hpp>

#include "exit_code.hpp"
#include "lock_waiting.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct wait_options {
  std::string path;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
};

int wait(const wait_options& options) {
  if (lockkit::wait_until_free(options.path, lockkit::deadline::after(options.timeout))) return done;
  say_not_in_time(options.path, options.timeout);
  return not_in_time;
}

constexpr const char* about_wait =
    "Takes nothing: somebody else may hold the lock again by the time this ends. To do something while it is free, "
    "use\n"
    "lockkit run. A dead holder's lock counts as free. With --timeout 0: exit code 0 if it is free, 75 if it is not.\n"
    "A file that only sharers (run --shared) and flock(1) have locked never counts as free: wait for those with\n"
    "lockkit run --kernel.";

}  // namespace

void add_wait(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<wait_options>();
  add_path(sub, "path", options->path, "The lock file, or the file of a kernel lock")->required();
  add_duration(sub, "--timeout", options->timeout, "How long to wait; 0 looks once [60]");
  sub.footer(about_wait);
  sub.callback([options, &call] { call.exit_code = wait(*options); });
}

}  // namespace lockkit_command
