/// lockkit run PATH [options] -- COMMAND…
#include <memory>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "exit_code.hpp"
#include "foreground_command.hpp"
#include "lock_waiting.hpp"
#include "message.hpp"
#include "options.hpp"
#include "positionals.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct run_options {
  std::string path;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
  bool only_try = false;
  bool shared = false;
  bool kernel = false;
  bool keep_out_everyone = false;
  bool wait_message = false;
  int conflict_exit_code = not_in_time;
  std::string label;
  std::vector<std::string> command;
};

/// A lock_file, or a file_mutex in either mode.
class lock_to_hold {
 public:
  lock_to_hold(const run_options& options, lockkit::lock_options how) {
    shared_ = options.shared;
    if (options.kernel || options.shared) {
      mutex_ = std::make_unique<lockkit::file_mutex>(options.path, std::move(how));
    } else {
      file_ = std::make_unique<lockkit::lock_file>(options.path, std::move(how));
    }
  }
  bool try_until(lockkit::deadline until) {
    if (file_) return file_->try_lock_until(until);
    return shared_ ? mutex_->try_lock_shared_until(until) : mutex_->try_lock_until(until);
  }
  /// False: somebody had removed or replaced it.
  bool release() {
    if (mutex_) mutex_->unlock();
    if (file_) file_->unlock();
    return !file_ || !file_->lost();
  }

 private:
  bool shared_ = false;
  std::unique_ptr<lockkit::lock_file> file_;
  std::unique_ptr<lockkit::file_mutex> mutex_;
};

lockkit::lock_options how_to_wait(const run_options& options) {
  lockkit::lock_options how{.label = options.label};
  if (options.keep_out_everyone) how.excludes = lockkit::keep_out::everyone;
  if (!options.wait_message) return how;
  how.on_wait = [said = false](const lockkit::wait_notice& notice) mutable {
    if (!said) say("waiting for {}, {}", in_quotes(notice.path), holder_text(notice));
    said = true;  // each piece of the wait begins anew
  };
  return how;
}

int run(const run_options& options) {
  foreground_command command;
  lock_to_hold lock(options, how_to_wait(options));
  const auto attempt = [&](lockkit::deadline until) { return lock.try_until(until); };
  const auto asked_to_end = [&] {
    command.stop_if_asked();
    return command.pending_signal() != 0;
  };
  switch (wait_in_pieces(lockkit::deadline::after(options.timeout), attempt, asked_to_end)) {
    case wait_outcome::timed_out:
      say_not_in_time(options.path, options.timeout);
      return options.conflict_exit_code;
    case wait_outcome::given_up:
      return by_signal + command.pending_signal();
    case wait_outcome::acquired:
      break;
  }
  const int code = command.run(options.command);
  if (!lock.release()) {
    say("{} was removed or replaced while the command ran; others may have been in", in_quotes(options.path));
  }
  return code;
}

constexpr const char* about_run =
    "COMMAND runs, without a shell, while the lock is held; the lock ends with COMMAND, whatever that leaves running.\n"
    "It inherits no descriptor of lockkit's. Signals sent to lockkit reach COMMAND (twice, if sent to both as one\n"
    "process group). kill -9 of lockkit itself ends "
    "the\n"
    "lock, not COMMAND. By default PATH is a lock file: it exists while it is held, and scripts that make it "
    "exclusively\n"
    "(set -C) are excluded. With --kernel it is a file that stays, quicker, and excludes flock(1). --shared needs such "
    "a\n"
    "file and implies --kernel: any number of sharers at once, or one holder. All users of one PATH must use one "
    "kind.\n"
    "A PATH that begins with '-': lockkit run -- PATH -- COMMAND.";

}  // namespace

void add_run(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<run_options>();
  CLI::Option* const path = add_path(sub, "path", options->path, "The lock file");
  auto* timeout = add_duration(sub, "--timeout", options->timeout, "How long to wait for the lock; 0 tries once [60]");
  sub.add_flag("--try", options->only_try, "Do not wait")->excludes(timeout);
  auto* kernel = sub.add_flag("--kernel", options->kernel, "A kernel lock on a file that stays, invisible to scripts");
  auto* shared = sub.add_flag("--shared", options->shared, "Share it with others who say so; implies --kernel");
  add_keep_out_everyone(sub, options->keep_out_everyone)->excludes(kernel)->excludes(shared);
  sub.add_option("--label", options->label, "What others see as the holder")->type_name("TEXT");
  sub.add_option("--conflict-exit-code", options->conflict_exit_code, "Exit code if the lock is not had in time [75]")
      ->type_name("N")
      ->check(CLI::Range(0, 255).description(""));
  sub.add_flag("--wait-message", options->wait_message, "Say once who holds it if it has to be waited for");
  sub.footer(about_run);
  sub.callback([options, path, &call] {
    options->command = call.command;
    complete({{path, &options->path}}, options->command);
    if (options->command.empty())
      throw CLI::RequiredError("a command after '--', as in 'lockkit run PATH -- COMMAND',");
    if (options->only_try) options->timeout = {};
    call.exit_code = run(*options);
  });
}

}  // namespace lockkit_command
