#pragma once
/// The scheduler as a service: cases that have settled become tasks, tasks are started, and what became of them is found
/// out, each on a thread of its own. Any number of daemons may serve one database.

#include "command.hpp"

namespace gpu_scheduler {

/// Until SIGTERM, SIGINT or SIGHUP. Jobs go on. Throws what ended it otherwise.
void run_daemon(session& open);

}  // namespace gpu_scheduler
