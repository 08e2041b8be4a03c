#pragma once
/// Kill and stop at every system call, found by tracing: the kernel stops a child at each call it makes, whatever library makes
/// it, so that no list of calls has to be kept.

#include <functional>
#include <string>
#include <vector>

namespace testing {

/// What a traced child did.
struct traced_run {
  bool killed = false;      ///< it was killed; false: it ended before reaching that call
  int status = 0;           ///< exit code if it was not killed
  std::vector<long> calls;  ///< numbers of the system calls entered between the marks, in order
};

/// Runs `prepare` and then `body` in a forked child under ptrace. Calls are counted while `body` runs. With
/// `kill_before` = N (from 1) the child gets SIGKILL at the entry of its N-th call: that call has no effect any more.
/// 0: never. Single-threaded bodies only.
traced_run run_traced(const std::function<void()>& prepare, const std::function<void()>& body, std::size_t kill_before);

/// The same, but the child gets SIGSTOP at the entry of its N-th call and is let go of by the tracer: it stops when that
/// call is done, or in the middle of it if that sleeps. Then `while_stopped` runs in this process, SIGCONT is sent and the
/// child's end waited for.
struct stopped_run {
  bool stopped = false;  ///< false: it ended before reaching that call
  int status = 0;        ///< exit code
};
stopped_run run_stopped(const std::function<void()>& prepare, const std::function<void()>& body, std::size_t stop_at,
                        const std::function<void()>& while_stopped);

enum class watch_at {
  every_call,
  changes,  ///< only where a call has been made, since the last look, that may have changed something on a filesystem
};

/// Runs `body` to its end in a forked child under ptrace. At the entry of each of its calls it is held while
/// `at_each_call` runs in this process with the number of calls that it has made so far, and once more when `body` is
/// done (`finished`). Single-threaded bodies only.
traced_run run_watched(watch_at where, const std::function<void()>& body,
                       const std::function<void(std::size_t calls, bool finished)>& at_each_call);

/// For a part of `body` whose calls are of no interest: they are neither counted nor stopped at.
void uncounted(const std::function<void()>& part);

/// For N = 1, 2, ... until the child ends by itself: run, kill at call N, then `check(N)` in this process.
/// Returns how many points were visited.
std::size_t kill_at_every_call(const std::function<void()>& prepare, const std::function<void()>& body,
                               const std::function<void(std::size_t point)>& check);

}  // namespace testing
