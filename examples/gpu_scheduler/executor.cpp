#include "executor.hpp"

#include <lockkit/error.hpp>

namespace gpu_scheduler {

bool report(lockkit::task_queue& queue, const job_report& what, const std::string& name,
            std::chrono::milliseconds retry_after) {
  std::error_code ec;
  const std::string& external = what.external.empty() ? name : what.external;
  switch (what.how) {
    case job_end::running:
      queue.running(what.ref, external, ec);
      break;
    case job_end::waiting:
      queue.submitting(what.ref, external, ec);
      break;
    case job_end::done:
      queue.finish(what.ref, what.text, ec);
      break;
    case job_end::failed:
      queue.fail(what.ref, what.text, retry_after, ec);
      break;
    case job_end::cancelled:
      queue.cancelled(what.ref, what.text, ec);
      break;
    case job_end::never_ran:
      queue.hand_back(what.ref, ec);
      break;
    case job_end::nowhere:
      queue.hand_back_unless_running(what.ref, ec);
      break;
  }
  if (ec && ec != lockkit::errc::claim_lost) {
    throw std::system_error(ec, "cannot report on task " + std::to_string(what.ref.id));
  }
  return !ec;
}

}  // namespace gpu_scheduler
