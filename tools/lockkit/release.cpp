/// lockkit release PATH [--for-pid PID]
///
/// 1. Who holds it is asked of the lock, not remembered: only a process that acquire left behind is ever signalled.
/// 2. First its descriptor, then its identity: probe() compares what the record says (the number that the kernel gives a
///    process only once, or its start time) with the process that has this PID now. It had it when the record was written,
///    so it had it when the descriptor was opened in between: the descriptor is that process's, whatever becomes of its
///    PID.
#include <algorithm>
#include <csignal>
#include <memory>

#include <lockkit/inspect.hpp>

#include "exit_code.hpp"
#include "hold_record.hpp"
#include "lock_waiting.hpp"
#include "message.hpp"
#include "options.hpp"
#include "process_handle.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct release_options {
  std::string path;
  int for_pid = 0;
};

int refuse(const std::string& path, const std::string& reason) {
  say("{} not released: {}", in_quotes(path), reason);
  return bad_data;
}

/// It may be stopped: it is woken for this.
int end_holder(const process_handle& holder, const release_options& options, int pid) {
  constexpr auto patience = std::chrono::seconds(10);
  std::error_code ec;
  holder.signal(SIGTERM, ec);
  if (!ec) holder.signal(SIGCONT, ec);
  if (ec == std::errc::no_such_process || (!ec && holder.wait(patience))) return done;
  if (ec) {
    say("{} not released: its holder, pid {}, may not be signalled: {}", in_quotes(options.path), pid, ec.message());
    return exit_code_for(ec);
  }
  say("{}: its holder, pid {}, has been asked to end and has not done so within 10 s", in_quotes(options.path), pid);
  return not_in_time;
}

int release(const release_options& options) {
  const lockkit::lock_inspection found = lockkit::inspect(options.path);
  if (found.state == lockkit::lock_state::free) return refuse(options.path, "it is free");
  const auto whom = found.holder ? parse_hold(*found.holder) : std::nullopt;
  if (found.state == lockkit::lock_state::stale) {
    return refuse(options.path, "it was " + holder_text(found) + ", which is dead; the next holder takes it over");
  }
  if (!whom || found.state != lockkit::lock_state::held) {
    return refuse(options.path, holder_text(found) + ", and not by lockkit acquire");
  }
  if (options.for_pid != 0 && options.for_pid != whom->pid) {
    return refuse(options.path, fmt::format("it is held for pid {}, not for {}", whom->pid, options.for_pid));
  }
  std::error_code ec;
  const process_handle holder(found.holder->pid, ec);  // rule 2: in this order
  if (ec == std::errc::no_such_process) return done;   // it ended by itself just now
  if (ec || probe(*found.holder) != lockkit::liveness::alive) {
    return refuse(options.path, holder_text(found) + ", whose process can't be identified from here");
  }
  return end_holder(holder, options, found.holder->pid);
}

constexpr const char* about_release =
    "Ends the process that lockkit acquire left behind, and returns once it has released the lock. Never touches a "
    "lock\n"
    "that is held in another way, nor a process that is not the one that the lock names: then it says who holds it "
    "and\n"
    "ends with 65. With --for-pid $$ a script can't release what another one has acquired since.";

}  // namespace

void add_release(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<release_options>();
  add_path(sub, "path", options->path, "The lock file")->required();
  sub.add_option("--for-pid", options->for_pid, "Only if it is held for this process")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("PID");
  sub.footer(about_release);
  sub.callback([options, &call] { call.exit_code = release(*options); });
}

}  // namespace lockkit_command
