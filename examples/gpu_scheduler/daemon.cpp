#include "daemon.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include <lockkit/backoff.hpp>
#include <lockkit/directory.hpp>
#include <lockkit/settle.hpp>

#include "case_table.hpp"
#include "gpu_pool.hpp"
#include "local_executor.hpp"
#include "monitoring.hpp"
#include "pueue_executor.hpp"
#include "slurm_executor.hpp"
#include "submission.hpp"

namespace gpu_scheduler {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

void say(const std::string& message) {
  spdlog::info("{}", printable(message));
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

/// The watched folder's half-thread: each settled directory becomes a task.
class case_scanner {
 public:
  case_scanner(lockkit::task_queue& queue, const configuration& settings) : queue_(queue), settings_(settings) {}

  void run(const std::stop_token& stop) {
    lockkit::settled_directories::callbacks tell;
    tell.on_settled = [&](const fs::path& path, const lockkit::settle_result& /*how*/) { settled(path, stop); };
    tell.on_vanished = [&](const fs::path& path) {
      vanished_.insert(path);
      say(fmt::format("'{}' has vanished", path.native()));
    };
    tell.on_waiting = [&](const fs::path& path, const lockkit::settle_result& how) {
      if (is_known(path)) return;  // its job writes there
      say(fmt::format("'{}' is not complete yet: {} ({})", path.native(), how.reason, how.where.native()));
    };
    lockkit::settled_directories folder(settings_.folder, how(), std::move(tell));
    folder.run(stop);
  }

 private:
  [[nodiscard]] lockkit::settle_options how() const {
    lockkit::settle_options result;
    result.quiet_time = settings_.settle;
    result.in_progress.insert(result.in_progress.end(), settings_.in_progress.begin(), settings_.in_progress.end());
    if (!settings_.complete.empty()) {
      result.complete = [this](const fs::path& path) {
        std::error_code unknown;  // a link to itself, say: one odd case must not end the service
        return fs::exists(path / settings_.complete, unknown);
      };
    }
    return result;
  }

  /// It is told of once, so a busy or full database is asked until it takes it.
  void settled(const fs::path& path, const std::stop_token& stop) {
    lockkit::backoff pauses;
    while (!stop.stop_requested()) {
      try {
        const lockkit::submission made = submit_case(queue_, settings_, path);
        announce(path, made);
        return;
      } catch (const std::exception& why) {
        spdlog::warn("'{}' can't be submitted now: {}", path.native(), why.what());
        std::this_thread::sleep_for(pauses.next());
      }
    }
  }

  /// What is not fresh has mostly been written to by its own job; but under a name that was gone comes another case,
  /// which somebody may be waiting for.
  void announce(const fs::path& path, const lockkit::submission& made) {
    const std::string key = key_of(settings_, path);
    const bool is_another = vanished_.erase(path) > 0;
    if (made.fresh) {
      say(fmt::format("'{}' has settled: case {}", key, made.id));
    } else if (is_another) {
      say(fmt::format("'{}' is there again: the name is taken by case {}, so that only 'retry' runs it", key, made.id));
    }
  }

  [[nodiscard]] bool is_known(const fs::path& path) const {
    try {
      return queue_.find(std::string_view(key_of(settings_, path))).has_value();
    } catch (const std::exception&) {
      return false;  // a database in trouble: only a message is at stake
    }
  }

  lockkit::task_queue& queue_;
  const configuration& settings_;
  std::set<fs::path> vanished_;
};

/// The first thread that fails ends the daemon; why is kept for main.
class service_threads {
 public:
  template <class Body>
  void add(const char* name, Body body) {
    threads_.emplace_back([this, name, body](const std::stop_token& stop) mutable {
      try {
        body(stop);
      } catch (const std::exception& why) {
        spdlog::error("{}: {}", name, why.what());
        fail(std::current_exception());
      }
    });
  }

  void wait_for_signal() {
    const sigset_t set = ending_signals();
    int signal = 0;
    ::sigwait(&set, &signal);
    for (std::jthread& each : threads_) each.request_stop();
    threads_.clear();
    if (failure_) std::rethrow_exception(failure_);
    say(fmt::format("ended by signal {}; jobs go on", signal));
  }

 private:
  void fail(std::exception_ptr why) {
    const std::lock_guard hold(mutex_);
    if (!failure_) failure_ = std::move(why);
    ::kill(::getpid(), SIGTERM);
  }

  std::mutex mutex_;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;
};

bool has_run(const lockkit::task_queue& queue, const lockkit::task_ref& ref) {
  const auto attempts = all_attempts(queue);
  return std::ranges::any_of(attempts, [&](const lockkit::task_attempt& each) {
    return each.task == ref.id && each.attempt == ref.attempt && each.running.has_value();
  });
}

std::unique_ptr<executor> make_executor(const session& open) {
  if (open.settings.slurm) {
    return std::make_unique<slurm_executor>(open.settings, slurm::this_program(), open.queue, say);
  }
  if (!open.settings.pueue) return std::make_unique<local_executor>(open.settings, "/proc/self/exe");
  return std::make_unique<pueue_executor>(
      open.settings, [&](const lockkit::task_ref& ref) { return has_run(open.queue, ref); }, say);
}

}  // namespace

void run_daemon(session& open) {
  const sigset_t set = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread: they inherit it
  std::signal(SIGPIPE, SIG_IGN);
  lockkit::ensure_directory(open.settings.folder);
  lockkit::ensure_writable_directory(open.settings.state / "runs");
  const auto jobs = make_executor(open);
  gpu_pool gpus(open.store, open.settings, say);
  gpus.synchronize();
  case_scanner scanner(open.queue, open.settings);
  submission_loop submission(open.queue, open.settings, *jobs, say);
  monitoring_loop monitoring(open.store, open.queue, open.settings, *jobs, gpus, say);
  service_threads threads;
  threads.add("cases", [&](const std::stop_token& stop) { scanner.run(stop); });
  threads.add("submission", [&](const std::stop_token& stop) { submission.run(stop); });
  threads.add("monitoring", [&](const std::stop_token& stop) { monitoring.run(stop); });
  say(fmt::format("serving '{}' from '{}'", open.settings.database.native(), open.settings.folder.native()));
  threads.wait_for_signal();
}

}  // namespace gpu_scheduler
