#pragma once
/// The one who turns events into submissions: one at a time, and never in the way of a job that ends. manager.cpp opens
/// with the rules.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/claim_store.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/lock_file.hpp>
#include <lockkit/task_queue.hpp>

#include "job_callbacks/event_folder.hpp"
#include "job_callbacks/step_task.hpp"
#include "job_callbacks/workflow.hpp"
#include "slurm/desk.hpp"

namespace job_callbacks {

class manager {
 public:
  using message = std::function<void(const std::string&)>;

  manager(const workflow& what, lockkit::claim_store& store, lockkit::task_queue& queue, message say);

  /// Tries to be the manager, without waiting, and works until nothing is left to do. False: another one is at work, and
  /// sees whatever was left in the event folder before this call.
  bool run();
  /// Waits for its turn, then asks Slurm about every attempt that is not over, until nothing is doubtful any more, and
  /// goes on as run(). False: its turn did not come in time. Throws tooling::failure if Slurm does not answer.
  bool reconcile(lockkit::deadline turn);

 private:
  enum class depth { doubtful, everything };

  bool run_while_events();
  void work(depth how);
  void remove_scripts() const;
  void drain();
  bool look(depth how);
  void look_at_everything();
  void submit_ready();
  [[nodiscard]] std::optional<slurm::job> prepare(const lockkit::taken_task& taken);
  bool hand_over(lockkit::taken_task taken);
  bool resolve_doubt(const lockkit::task_ref& ref);
  [[nodiscard]] slurm::job job_for(const lockkit::task_ref& ref, const step_payload& payload) const;
  [[nodiscard]] std::vector<lockkit::task_status> handed_over(depth how) const;
  void tell(const slurm::finding& what);

  const workflow& what_;
  lockkit::claim_store& store_;
  lockkit::task_queue& queue_;
  message say_;
  event_folder events_;
  lockkit::lock_file turn_;
  slurm::desk desk_;
};

}  // namespace job_callbacks
