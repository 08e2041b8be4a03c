#pragma once
/// Watches the database for a wish to stop one job, on a thread of its own, and wakes the main thread with a signal.
/// By event, and without any scheduler: cancelling works while none runs.

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>

#include <lockkit/task_queue.hpp>

namespace gpu_scheduler {

class job_watch {
 public:
  static constexpr int wake_signal = SIGUSR1;

  /// The thread that makes it is the one that is woken.
  job_watch(lockkit::task_queue& queue, lockkit::task_ref ref);

  [[nodiscard]] bool stop_wanted() const noexcept { return seen_ != wish::none; }
  [[nodiscard]] bool cancelled() const noexcept { return seen_ == wish::cancel; }
  [[nodiscard]] std::string reason() const;

 private:
  enum class wish { none, cancel, claim_lost };
  void watch(const std::stop_token& stop);
  [[nodiscard]] wish look() const;

  lockkit::task_queue& queue_;
  lockkit::task_ref ref_;
  pthread_t waiting_;
  std::atomic<wish> seen_ = wish::none;
  std::jthread thread_;
};

}  // namespace gpu_scheduler
