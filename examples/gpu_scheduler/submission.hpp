#pragma once
/// The half of the scheduler that starts cases: the oldest that can have its GPUs, together with them, in one
/// transaction; then to the executor.

#include <functional>
#include <stop_token>
#include <string>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "configuration.hpp"
#include "executor.hpp"

namespace gpu_scheduler {

class submission_loop {
 public:
  using message = std::function<void(const std::string&)>;

  submission_loop(lockkit::task_queue& queue, const configuration& settings, executor& jobs, message say)
      : queue_(queue), settings_(settings), jobs_(jobs), say_(std::move(say)) {}

  void run(const std::stop_token& stop);
  /// Starts one now, for tests. False: none can be had now.
  bool start_one();

 private:
  void start(lockkit::taken_task taken);
  [[nodiscard]] bool fits(const lockkit::claim& held) const;
  void hand_over(const job& what, lockkit::claim held);

  lockkit::task_queue& queue_;
  const configuration& settings_;
  executor& jobs_;
  message say_;
};

}  // namespace gpu_scheduler
