#include "job_watch.hpp"

#include <chrono>

namespace gpu_scheduler {

job_watch::job_watch(lockkit::task_queue& queue, lockkit::task_ref ref)
    : queue_(queue),
      ref_(std::move(ref)),
      waiting_(::pthread_self()),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

std::string job_watch::reason() const {
  return cancelled() ? "cancelled" : "stopped because its claim was ended by somebody else";
}

/// A database that can't be read now says nothing about the wish: look again later.
void job_watch::watch(const std::stop_token& stop) {
  while (!stop.stop_requested() && seen_ == wish::none) {
    try {
      queue_.wait_for_change(lockkit::deadline::never(), stop);
      seen_ = look();
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
  if (seen_ != wish::none) ::pthread_kill(waiting_, wake_signal);
}

job_watch::wish job_watch::look() const {
  const auto task = queue_.find(ref_.id);
  if (!task || task->attempt != ref_.attempt || task->claim_key != ref_.claim_key) return wish::claim_lost;
  if (task->cancel_wanted) return wish::cancel;
  switch (task->state) {
    case lockkit::task_state::submitting:
    case lockkit::task_state::running:
      return wish::none;
    default:
      return wish::claim_lost;
  }
}

}  // namespace gpu_scheduler
