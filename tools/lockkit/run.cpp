/// lockkit run PATH [--timeout S | --try] -- COMMAND…
#include <fmt/format.h>

#include <cstdlib>

#include <lockkit/lock_file.hpp>

#include "exit_code.hpp"
#include "foreground_command.hpp"
#include "subcommands.hpp"

namespace lockkit_command {
namespace {

struct run_options {
  std::string path;
  double timeout = 60;
  bool only_try = false;
  std::string label;
  std::vector<std::string> command;
};

void say_who_holds(const lockkit::wait_notice& notice) {
  fmt::print(stderr, "lockkit: waiting for '{}', held by {}{}\n", notice.path.native(), notice.holder.describe(),
             notice.foreign ? " (not lockkit's)" : "");
}

enum class lock_outcome { acquired, timed_out, signalled };

/// Waits in short pieces: a signal that asks us to end must not have to wait for the lock.
lock_outcome wait_for_lock(lockkit::lock_file& lock, lockkit::deadline until, const foreground_command& command) {
  constexpr auto piece = std::chrono::milliseconds(100);
  do {
    if (lock.try_lock_until(earlier(until, lockkit::deadline::after(piece)))) return lock_outcome::acquired;
    if (command.pending_signal() != 0) return lock_outcome::signalled;
  } while (!until.expired());
  return lock_outcome::timed_out;
}

int say_not_in_time(const lockkit::lock_file& lock, const run_options& options) {
  fmt::print(stderr, "lockkit: '{}' was not free {}; see 'lockkit status {}'\n", lock.path().native(),
             options.only_try ? "at once" : fmt::format("within {} s", options.timeout), options.path);
  return not_in_time;
}

/// run -- PATH -- COMMAND…: the path comes first if none was given before.
void complete(run_options& options) {
  auto& command = options.command;
  if (options.path.empty() && command.size() > 1 && command[1] == "--") {
    options.path = command[0];
    command.erase(command.begin(), command.begin() + 2);
  }
  if (options.path.empty()) throw CLI::RequiredError("a lock file, as in 'lockkit run PATH -- COMMAND',");
  if (command.empty()) throw CLI::RequiredError("a command after '--', as in 'lockkit run PATH -- COMMAND',");
}

int run(const run_options& options) {
  foreground_command command;
  bool said = false;
  lockkit::lock_file lock(options.path, {.label = options.label, .on_wait = [&](const lockkit::wait_notice& notice) {
                                           if (!said) say_who_holds(notice);
                                           said = true;
                                         }});
  const auto until =
      options.only_try ? lockkit::deadline() : lockkit::deadline::after(std::chrono::duration<double>(options.timeout));
  switch (wait_for_lock(lock, until, command)) {
    case lock_outcome::timed_out:
      return say_not_in_time(lock, options);
    case lock_outcome::signalled:
      return 128 + command.pending_signal();
    case lock_outcome::acquired:
      break;
  }
  const int code = command.run(options.command);
  lock.unlock();
  if (lock.lost()) fmt::print(stderr, "lockkit: '{}' was removed or replaced while the command ran\n", options.path);
  return code;
}

std::string check_seconds(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool good = !text.empty() && *end == '\0' && value >= 0;
  return good ? std::string() : fmt::format("'{}' is not a number of seconds, 0 or more", text);
}

}  // namespace

void add_run(CLI::App& app, std::vector<std::string> after_dashes, int& exit_code) {
  auto options = std::make_shared<run_options>();
  options->command = std::move(after_dashes);
  CLI::App* sub = app.add_subcommand("run", "Run a command while holding a lock file: run PATH -- COMMAND...");
  sub->add_option("path", options->path, "The lock file (a path that begins with '-': run -- PATH -- COMMAND...)");
  const CLI::Validator seconds(check_seconds, "SECONDS");
  auto* timeout = sub->add_option("--timeout", options->timeout, "Seconds to wait; 0 tries once")
                      ->check(seconds)
                      ->capture_default_str();
  sub->add_flag("--try", options->only_try, "Do not wait")->excludes(timeout);
  sub->add_option("--label", options->label, "What others see as the holder");
  sub->callback([options, &exit_code] {
    complete(*options);
    exit_code = run(*options);
  });
}

}  // namespace lockkit_command
