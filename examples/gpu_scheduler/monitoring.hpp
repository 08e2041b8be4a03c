#pragma once
/// The half of the scheduler that finds out what became of cases, and says so in the database.

#include <functional>
#include <stop_token>
#include <string>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "configuration.hpp"
#include "executor.hpp"
#include "gpu_pool.hpp"

namespace gpu_scheduler {

class monitoring_loop {
 public:
  using message = std::function<void(const std::string&)>;

  monitoring_loop(lockkit::claim_store& store, lockkit::task_queue& queue, const configuration& settings,
                  executor& jobs, gpu_pool& gpus, message say)
      : store_(store), queue_(queue), settings_(settings), jobs_(jobs), gpus_(gpus), say_(std::move(say)) {}

  void run(const std::stop_token& stop);
  void look_once();

 private:
  [[nodiscard]] std::vector<lockkit::task_status> begun() const;
  [[nodiscard]] static bool is_known(const lockkit::task_status& task, const job_report& what);
  void say_who_waits();
  void tell(const lockkit::task_status& task, const job_report& what);

  lockkit::claim_store& store_;
  lockkit::task_queue& queue_;
  const configuration& settings_;
  executor& jobs_;
  gpu_pool& gpus_;
  message say_;
  bool said_ = false;
};

}  // namespace gpu_scheduler
