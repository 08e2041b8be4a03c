#include "slurm/begin.hpp"

#include <fmt/format.h>

#include <lockkit/error.hpp>
#include <lockkit/retry.hpp>

#include "slurm/job_mark.hpp"
#include "tooling/failure.hpp"

namespace slurm {

bool may_begin(lockkit::task_queue& queue, const lockkit::task_ref& ref, const std::string& job,
               const std::string& restarts) {
  if (!is_number(job) || !is_number(restarts)) {
    throw tooling::failure(tooling::exit_status::usage,
                           fmt::format("'{}' and '{}' are no numbers of a job and of its restarts", job, restarts));
  }
  std::error_code ec;
  lockkit::retry(
      lockkit::retry_policy{},  // dozens of jobs may begin at once
      [&](std::error_code& error) { queue.running(ref, mark_of_begin(job, restarts), error); }, ec);
  if (ec == lockkit::errc::claim_lost) return false;
  if (ec) throw std::system_error(ec, fmt::format("cannot ask whether job {} may run", job));
  return true;
}

}  // namespace slurm
