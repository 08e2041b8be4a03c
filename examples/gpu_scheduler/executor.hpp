#pragma once
/// Where cases run. The scheduler's two halves know nothing more of it: submission starts jobs, monitoring asks what
/// became of them. Each source that implements it opens with its rules for crashes.

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

#include "job.hpp"

namespace gpu_scheduler {

enum class job_end {
  running,  ///< not at all: it was found, and goes on
  waiting,  ///< not at all: it was found, and has not begun
  done,
  failed,
  cancelled,
  never_ran,  ///< certainly not, and it never will
  nowhere,    ///< it was not found, and its first line is refused should it come to life after all
};

struct job_report {
  lockkit::task_ref ref;
  job_end how = job_end::running;
  std::string text;        ///< result or reason
  std::string external{};  ///< what it is known by outside; empty: by its name
};

/// The executor can't start anything at present. The job certainly did not begin.
class not_started : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Used from two threads: start() from one, the rest from another.
class executor {
 public:
  executor() = default;
  virtual ~executor() = default;
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  /// What ends the claim of a job that runs here.
  [[nodiscard]] virtual lockkit::claim_life life() const = 0;
  /// Unique to the attempt.
  [[nodiscard]] virtual std::string name_of(const lockkit::task_ref& ref) const = 0;
  /// Whether a task that is not over is one that this kind of executor may have.
  [[nodiscard]] virtual bool may_have(const lockkit::task_status& task) const { return task.needs.life == life(); }
  /// Hands the job over. What is to be reported then; nullopt: whether it begins is not known, look() will find out.
  /// Throws not_started.
  [[nodiscard]] virtual std::optional<job_report> start(const job& what, int life_descriptor) = 0;
  /// What is known to have become of those tasks, which are submitting, running or unknown. Stops those of which
  /// `cancel_wanted` says so.
  [[nodiscard]] virtual std::vector<job_report> look(const std::vector<lockkit::task_status>& tasks) = 0;
  /// How often to look when nothing has changed in the database.
  [[nodiscard]] virtual std::chrono::milliseconds interval() const = 0;
};

[[nodiscard]] inline lockkit::task_ref ref_of(const lockkit::task_status& task) {
  return {task.id, task.attempt, task.claim_key};
}

/// Tells the queue; `name` is that of the attempt. False: it was not this one's to tell any more, which is no error:
/// another scheduler, or the job itself, was first.
bool report(lockkit::task_queue& queue, const job_report& what, const std::string& name,
            std::chrono::milliseconds retry_after);

}  // namespace gpu_scheduler
