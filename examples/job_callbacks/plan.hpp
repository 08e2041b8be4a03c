#pragma once
/// A workflow as tasks: each step of each material once for ever.

#include <cstddef>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "job_callbacks/workflow.hpp"

namespace job_callbacks {

struct planned {
  std::size_t fresh = 0;
  std::size_t known = 0;  ///< were planned before; nothing about them changes
};

/// May be done again, also with more materials and steps, and while jobs run.
planned plan(lockkit::task_queue& queue, const workflow& what);

/// As many slots as there may be jobs: a step is taken together with one, in one transaction, so that the limit holds
/// over any number of managers and crashes. False: more jobs are there now than the new limit allows; it stays as it was.
bool set_limit(lockkit::claim_store& store, const limits& limit);

}  // namespace job_callbacks
