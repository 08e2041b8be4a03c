/// lockkit break PATH [--force] [--empty-after S]
#include <syslog.h>
#include <unistd.h>

#include <memory>

#include <lockkit/break_lock.hpp>

#include "exit_code.hpp"
#include "json_output.hpp"
#include "lock_waiting.hpp"
#include "message.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct break_options {
  std::string path;
  bool force = false;
  std::chrono::nanoseconds empty_after{};
  bool empty = false;
};

/// Whoever wonders later why two were in finds it in the system's log.
void record_force(const std::string& path, const lockkit::lock_inspection& found) {
  const std::string text =
      fmt::format("lock {} broken by force by uid {}, pid {} at {}; it was {}", in_quotes(path), ::getuid(), ::getpid(),
                  utc_text(std::chrono::system_clock::now()), holder_text(found));
  ::openlog("lockkit", LOG_PID, LOG_USER);
  ::syslog(LOG_WARNING, "%s", text.c_str());
  ::closelog();
  say("{}", text);  // last: stderr may be slow, or closed
}

const char* risk_of(lockkit::lock_state state) noexcept {
  return state == lockkit::lock_state::held
             ? "that process was not stopped and has not been told: until it ends, two may be inside at once"
             : "if its owner lives after all, two may be inside at once";
}

const char* advice_for(const lockkit::lock_inspection& found) noexcept {
  if (found.state == lockkit::lock_state::held) {
    return "end that process, and the lock is free; or say --force, which leaves it running beside the next holder";
  }
  if (!found.holder) return "see what it is; an empty file of a crashed script can be removed with --empty-after";
  return "end that process, or, if you know that it is dead, say --force";
}

int break_path(const break_options& options) {
  lockkit::break_options how{.force = options.force};
  if (options.empty) how.empty_age = options.empty_after;
  const lockkit::break_report report = lockkit::break_lock(options.path, how);
  switch (report.result) {
    case lockkit::break_result::nothing_there:
      say("{} is free: nothing to break", in_quotes(options.path));
      return done;
    case lockkit::break_result::refused:
      say("{} not broken: {}; {}", in_quotes(options.path), holder_text(report.found), advice_for(report.found));
      return not_in_time;
    case lockkit::break_result::broken:
      break;
  }
  const bool dead = report.found.state == lockkit::lock_state::stale;
  if (options.force && !dead) {
    record_force(options.path, report.found);
    say("{}", risk_of(report.found.state));
  } else {
    say("{} removed: it was {}, which is dead", in_quotes(options.path), holder_text(report.found));
  }
  return done;
}

constexpr const char* about_break =
    "Removes the lock file if its holder is provably dead: a lockkit holder by the kernel's word; a script's by the "
    "PID in\n"
    "the file, if no process of this host has it and the filesystem is local. (A script in a container may have "
    "written a\n"
    "PID of its own counting: such files are not for this command.) lockkit's own processes need none of this, they\n"
    "succeed a dead holder by themselves. Otherwise says who holds it and ends with 75.\n"
    "\n"
    "--force removes it in any case, and lockkit's guard with it, so that others get in beside a holder that may still "
    "run\n"
    "and is not told. It says so, and writes a line to the system's log (facility user, level warning).";

}  // namespace

void add_break(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<break_options>();
  add_path(sub, "path", options->path, "The lock file")->required();
  sub.add_flag("--force", options->force, "Even if its holder lives, or can't be judged: two may be inside then");
  auto* age = add_duration(sub, "--empty-after", options->empty_after,
                           "Take an empty file for a crashed script's once it is so old");
  sub.footer(about_break);
  sub.callback([options, age, &call] {
    options->empty = age->count() > 0;
    call.exit_code = break_path(*options);
  });
}

}  // namespace lockkit_command
