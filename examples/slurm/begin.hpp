#pragma once
/// The first line of a job: whether it may run.

#include <string>

#include <lockkit/task_queue.hpp>

namespace slurm {

/// True: the attempt is this job's, and no other's from here on. False: it is somebody else's, or over, or was given up.
/// Throws what the database throws: then it is not known, and the job may not run.
[[nodiscard]] bool may_begin(lockkit::task_queue& queue, const lockkit::task_ref& ref, const std::string& job,
                             const std::string& restarts);

}  // namespace slurm
