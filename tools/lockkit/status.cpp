/// lockkit status PATH… [--json]
#include <memory>

#include <lockkit/error.hpp>
#include <lockkit/inspect.hpp>

#include "exit_code.hpp"
#include "hold_record.hpp"
#include "json_output.hpp"
#include "message.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct status_options {
  std::vector<std::string> paths;
  bool as_json = false;
};

const char* name_of(lockkit::lock_state state) noexcept {
  switch (state) {
    case lockkit::lock_state::free:
      return "free";
    case lockkit::lock_state::held:
      return "held";
    case lockkit::lock_state::stale:
      return "stale";
    case lockkit::lock_state::foreign:
      return "foreign";
  }
  return "unknown";
}

const char* meaning_of(lockkit::lock_state state) noexcept {
  switch (state) {
    case lockkit::lock_state::stale:
      return ": its holder is dead; the next process that locks it takes it over";
    case lockkit::lock_state::foreign:
      return ": not locked by lockkit";
    default:
      return "";
  }
}

/// The script's process, if lockkit acquire holds it.
json held_for_json(const lockkit::lock_inspection& found) {
  const auto whom = found.holder ? parse_hold(*found.holder) : std::nullopt;
  if (!whom) return nullptr;
  json object;
  object["pid"] = whom->pid;
  put_known(object, "command", whom->command);
  return object;
}

json describe(const std::string& path, const lockkit::lock_inspection& found) {
  json object;
  put_text(object, "path", path);
  object["state"] = name_of(found.state);
  object["holder"] = found.holder ? to_json(*found.holder) : json();
  object["for"] = held_for_json(found);
  object["age_seconds"] = found.state == lockkit::lock_state::free ? json() : seconds_json(found.age);
  object["processes"] = found.holders;
  object["waiting"] = found.waiters;
  return object;
}

void print(const std::string& path, const lockkit::lock_inspection& found) {
  fmt::print("{}: {}{}\n", printable(path), name_of(found.state), meaning_of(found.state));
  if (found.holder) fmt::print("  owner: {}\n", printable(found.holder->describe()));
  const auto whom = found.holder ? parse_hold(*found.holder) : std::nullopt;
  if (whom) fmt::print("  held for: pid {} ({})\n", whom->pid, printable(whom->command));
  if (found.state != lockkit::lock_state::free) {
    fmt::print("  changed: {:.1f} s ago\n", std::chrono::duration<double>(found.age).count());
  }
  if (!found.holders.empty()) fmt::print("  processes: {}\n", fmt::join(found.holders, ", "));
  if (!found.waiters.empty()) fmt::print("  waiting: {}\n", fmt::join(found.waiters, ", "));
}

json unknown(const std::string& path, const std::error_code& ec) {
  json object;
  put_text(object, "path", path);
  object["state"] = "unknown";
  put_text(object, "error", ec.message());
  return object;
}

/// Every path gets its answer; the exit code is that of the last one that could not be looked at.
int status(const status_options& options) {
  json all = json::array();
  int code = done;
  for (const std::string& path : options.paths) {
    std::error_code ec;
    const lockkit::lock_inspection found = lockkit::inspect(path, ec);
    if (ec) {
      say("{}", failure_text(lockkit::error("inspect", path, ec)));
      code = exit_code_for(ec);
      all.push_back(unknown(path, ec));
    } else if (options.as_json) {
      all.push_back(describe(path, found));
    } else {
      print(path, found);
    }
  }
  if (options.as_json) print_json(all);
  return code;
}

constexpr const char* about_status =
    "States: free; held, by a process that lives; stale, a dead holder's leftover that the next process takes over at\n"
    "once; foreign, a lock of a script or another program, or a file that happens to be there.\n"
    "A file that only sharers and flock(1) have locked is foreign, too, whether anybody holds it or not: nothing in it "
    "says\n"
    "that it is a lock.\n"
    "\n"
    "With --json, a list with one object for each path, in order. One that could not be looked at has state "
    "\"unknown\" and\n"
    "error, a text, and nothing else.\n"
    "\n"
    "  path         as it was given\n"
    "  state        \"free\", \"held\", \"stale\" or \"foreign\"\n"
    "  holder       null, or an object: pid, host, command, label, since (UTC), token (digits), boot_id,\n"
    "               pid_namespace, start_time\n"
    "  for          null, or pid and command of the process that lockkit acquire holds it for\n"
    "  age_seconds  since the file last changed; null if free\n"
    "  processes    PIDs seen to hold it\n"
    "  waiting      PIDs seen to wait for it\n"
    "\n"
    "Processes of other users are seen by root only.";

}  // namespace

void add_status(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<status_options>();
  sub.add_option("path", options->paths, "The locks: lock files, or files of kernel locks")->type_name("PATH");
  sub.add_flag("--json", options->as_json, "Answer as JSON");
  sub.footer(about_status);
  sub.callback([options, &call] {
    options->paths.insert(options->paths.end(), call.more_paths.begin(), call.more_paths.end());
    if (options->paths.empty()) throw CLI::RequiredError("a path");
    call.exit_code = status(*options);
  });
}

}  // namespace lockkit_command
