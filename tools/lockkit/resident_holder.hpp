#pragma once
/// The process that acquire leaves behind: it has the lock, and nothing else to do than to end.
///
///  1. It has a session of its own, stands in "/", and has none of the descriptors that the script had: no terminal, no
///     pipe that somebody reads to its end, no mount, is kept by it.
///  2. It takes the lock itself: a kernel lock that another process took would end with that.
///  3. It sleeps on the descriptor of the process that it holds for, and on the signals that ask it to end; so it releases
///     when that process ends, however it ends, and whoever gets its number later.
///  4. Killed, it leaves a lock file that lockkit's next holder takes over, as everybody's.
///  5. Until it has the lock, it ends with acquire, which waits for its answer.

#include <chrono>
#include <string>

#include "hold_record.hpp"
#include "process_handle.hpp"

namespace lockkit_command {

struct hold_request {
  std::string path;
  std::string label;
  bool keep_out_everyone = false;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
  held_for whom;
};

/// Starts it; returns once it has the lock (0), or has said why not (the exit code). `process` is that of request.whom.
[[nodiscard]] int start_resident_holder(const hold_request& request, const process_handle& process);

}  // namespace lockkit_command
