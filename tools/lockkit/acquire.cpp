/// lockkit acquire PATH --for-pid PID [--timeout S] [--label L]
#include <climits>
#include <memory>

#include "exit_code.hpp"
#include "message.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"
#include "resident_holder.hpp"

namespace lockkit_command {
namespace {

/// Why a process can't be held for.
int refuse(int pid, const std::error_code& ec) {
  if (ec == std::errc::operation_not_permitted || ec == std::errc::permission_denied) {
    say("pid {} is another user's process: name one of yours, such as $$ in a shell script", pid);
    return no_permission;
  }
  if (ec == std::errc::function_not_supported) {
    say("this kernel has no descriptors for processes (Linux 5.3): use lockkit run");
    return unsupported;
  }
  say("there is no process with pid {}: name one that lives, such as $$ in a shell script", pid);
  return bad_data;
}

int acquire(hold_request& request) {
  std::error_code ec;
  const process_handle process(request.whom.pid, ec);
  if (!ec) process.signal(0, ec);
  if (!ec && process.has_ended()) ec = std::make_error_code(std::errc::no_such_process);
  if (ec) return refuse(request.whom.pid, ec);
  request.whom.command = process_name(request.whom.pid);
  return start_resident_holder(request, process);
}

constexpr const char* about_acquire =
    "Takes the lock file and leaves a small process behind that holds it until the process PID ends, however that "
    "ends, or\n"
    "until lockkit release. So a script can hold a lock across its commands:\n"
    "\n"
    "  lockkit acquire /var/lock/report --for-pid $$ || exit\n"
    "  ...\n"
    "  lockkit release /var/lock/report --for-pid $$\n"
    "\n"
    "PID is the process that has this number when acquire begins; who gets the number later does not matter. In\n"
    "lockkit status the holder's command is lockkit-hold, and its label names PID and its program. Two subshells of "
    "one\n"
    "script share its $$: they do not exclude each other this way, the second one is told that it has the lock "
    "already\n"
    "(75).";

}  // namespace

void add_acquire(CLI::App& sub, invocation& call) {
  auto request = std::make_shared<hold_request>();
  add_path(sub, "path", request->path, "The lock file")->required();
  sub.add_option("--for-pid", request->whom.pid, "The process whose end is the lock's: $$ in a script")
      ->required()
      ->check(CLI::Range(1, INT_MAX).description(""))
      ->type_name("PID");
  add_duration(sub, "--timeout", request->timeout, "How long to wait for the lock; 0 tries once [60]");
  sub.add_option("--label", request->label, "What others see beside PID and program")->type_name("TEXT");
  add_keep_out_everyone(sub, request->keep_out_everyone);
  sub.footer(about_acquire);
  sub.callback([request, &call] { call.exit_code = acquire(*request); });
}

}  // namespace lockkit_command
