// Rules of the runner, each with its reason.
//  1. It has the claim's life descriptor before it exists (inherited) and keeps it until it ends: the claim stands as
//     long as the runner, whatever becomes of the scheduler.
//  2. The job inherits the descriptor as well: should the runner be killed, its GPU stays claimed while the job lives.
//     A job that closes it is covered by rule 1, unless its runner is killed, too.
//  3. It asks the database whether the attempt is still its own, and then makes the record exclusively and durably,
//     before it starts the command. Whoever comes second leaves; after a crash a record says "may have run", and no
//     record "never ran".
//  4. It is the reaper of the whole tree and waits for all of it, not for the command alone: a grandchild may use the
//     GPU long after.
//  5. Only when nobody of the tree lives is the end written, first on disk and then in the database, which ends the
//     claim. A runner killed between leaves what monitoring reads.
//  6. To stop is asked for by SIGTERM, by cancel_wanted in the database, by a claim that somebody ended, or by the time
//     limit: SIGTERM to the whole tree, and after the grace time SIGKILL, again and again until nobody is left.
//  7. Signals are blocked from the start and taken one by one: no handler, nothing interrupted.
#include "runner.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include <lockkit/claim_store.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/error.hpp>

#include "job_watch.hpp"
#include "process_tree.hpp"
#include "run_record.hpp"
#include "tooling/spawn.hpp"

namespace gpu_scheduler {
namespace {

using lockkit::deadline;
using std::chrono::milliseconds;

sigset_t taken_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, job_watch::wake_signal}) sigaddset(&set, signal);
  return set;
}

/// The next signal, or 0 at `until`.
int wait_for_signal(deadline until) {
  const sigset_t set = taken_signals();
  const auto wait = std::min<std::chrono::nanoseconds>(until.remaining(), std::chrono::hours(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
  const timespec time = {seconds.count(), (wait - seconds).count()};
  const int signal = ::sigtimedwait(&set, nullptr, &time);
  return std::max(signal, 0);
}

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

/// The job's processes, from the first to the last.
class job_tree {
 public:
  job_tree(const runner_arguments& given, job_watch& watch) : given_(given), watch_(watch) {}

  /// Until nobody is left; the exit status of the command.
  int run(pid_t command) {
    command_ = command;
    if (given_.time_limit.count() > 0) limit_ = deadline::after(given_.time_limit);
    while (reap()) {
      const int signal = wait_for_signal(earlier(limit_, kill_at_));
      decide(signal);
      if (kill_at_.expired()) kill();
    }
    return status_;
  }
  /// Why it was stopped; empty: it was not.
  [[nodiscard]] const std::string& stopped() const { return stopped_; }

 private:
  /// False: nobody lives any more.
  bool reap() {
    int status = 0;
    pid_t child = 0;
    while ((child = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (child == command_) status_ = status;
    }
    return child == 0;
  }

  /// Rule 6.
  void decide(int signal) {
    if (!stopped_.empty()) return;
    if (watch_.stop_wanted()) {
      stop(watch_.reason());
    } else if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
      stop(fmt::format("stopped by signal {}", signal));
    } else if (limit_.expired()) {
      stop(fmt::format("stopped after {:.1f} s, its time limit",
                       std::chrono::duration<double>(given_.time_limit).count()));
    }
  }

  void stop(std::string reason) {
    stopped_ = std::move(reason);
    limit_ = deadline::never();
    kill_at_ = deadline::after(given_.grace);
    signal_tree(SIGTERM);
    signal_tree(SIGCONT);  // whoever is stopped can't end
  }

  void kill() {
    signal_tree(SIGKILL);
    kill_at_ = deadline::after(milliseconds(20));  // whoever was born meanwhile
  }

  const runner_arguments& given_;
  job_watch& watch_;
  pid_t command_ = -1;
  int status_ = 0;
  deadline limit_ = deadline::never();
  deadline kill_at_ = deadline::never();
  std::string stopped_;
};

std::string about(const runner_arguments& given) {
  const nlohmann::json text = {{"pid", ::getpid()},
                               {"claim", given.ref.claim_key},
                               {"case", given.directory.native()},
                               {"command", given.command}};
  return text.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool has_case(const runner_arguments& given) {
  std::error_code ec;
  return std::filesystem::is_directory(given.directory, ec);
}

job_report failed(const runner_arguments& given, std::string reason) {
  return {given.ref, job_end::failed, std::move(reason)};
}

job_report judge(const runner_arguments& given, const run_record& record, const job_tree& tree, bool cancelled,
                 int status) {
  if (cancelled) return {given.ref, job_end::cancelled, tree.stopped() + ": " + describe(status)};
  if (!tree.stopped().empty()) return failed(given, tree.stopped() + ": " + describe(status));
  if (!has_case(given)) {
    return failed(given, fmt::format("the case directory '{}' vanished while it ran: {}", given.directory.native(),
                                     describe(status)));
  }
  if (status == 0) return {given.ref, job_end::done, describe(status)};
  return failed(given, fmt::format("{}; see {}", describe(status), record.errors().native()));
}

job_report run_command(const runner_arguments& given, const run_record& record, lockkit::task_queue& queue) {
  if (!has_case(given)) {
    return failed(given, fmt::format("the case directory '{}' is gone", given.directory.native()));
  }
  std::error_code ec;
  const pid_t command = tooling::spawn({.arguments = given.command,
                                        .environment = {},
                                        .directory = given.directory,
                                        .output = record.output(),
                                        .errors = record.errors(),
                                        .descriptors = {{given.life, 3}}},  // rule 2
                                       ec);
  if (ec) return failed(given, fmt::format("cannot execute '{}': {}", given.command.front(), ec.message()));
  job_watch watch(queue, given.ref);
  job_tree tree(given, watch);
  const int status = tree.run(command);
  return judge(given, record, tree, watch.cancelled(), status);
}

/// Rule 3. False: the attempt is somebody else's.
bool begin(const runner_arguments& given, lockkit::task_queue& queue, const run_record& record) {
  std::error_code ec;
  queue.running(given.ref, given.external, ec);
  if (ec == lockkit::errc::claim_lost) return false;
  if (ec) throw std::system_error(ec, "cannot say that the job begins");
  return record.begin(about(given));
}

/// Rule 5. A job may have filled the disk: the database, which may lie on another one, is told all the same.
void write_end(const run_record& record, const job_report& end) {
  try {
    record.end(end.how, end.text);
  } catch (const std::exception& why) {
    fmt::print(stderr, "the end of the job is not on record: {}\n", why.what());
  }
}

}  // namespace

int run_job(const runner_arguments& given) {
  const sigset_t set = taken_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  become_reaper();
  lockkit::claim_store store(given.database, {.label = given.external});
  lockkit::task_queue queue(store, given.queue);
  const run_record record(given.state, given.ref);
  if (!begin(given, queue, record)) return 0;
  const job_report end = run_command(given, record, queue);
  write_end(record, end);
  report(queue, end, given.external, given.retry_after);
  return 0;
}

}  // namespace gpu_scheduler
