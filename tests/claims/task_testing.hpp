#pragma once
/// A queue in a store of its own, and what tests ask of it.

#include <sys/syscall.h>

#include <lockkit/task_queue.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

/// A database with a queue "q" and resources g0, g1, ... in pool "gpu".
struct queue_place {
  explicit queue_place(int units = 0) { add_gpus(store, units); }

  scratch_directory directory;
  std::filesystem::path database = directory / "claims.db";
  lockkit::claim_store store{database};
  lockkit::task_queue queue{store, "q"};

  std::uint64_t submit(const std::string& key, lockkit::claim_request needs = {}) {
    return queue.submit({.key = key, .needs = std::move(needs)}).id;
  }
  lockkit::task_state state(std::uint64_t id) { return queue.find(id)->state; }
  lockkit::task_state state(const std::string& key) { return queue.find(key)->state; }
  std::uint32_t used() {
    std::uint32_t sum = 0;
    for (const auto& each : store.list()) sum += each.used;
    return sum;
  }
};

inline const lockkit::claim_request one_gpu{.pool = "gpu"};

/// The kinds of a task's events, in order.
inline std::vector<std::string> events_of(lockkit::claim_store& store, std::uint64_t task) {
  std::vector<std::string> kinds;
  for (const auto& event : store.events(0, 100000)) {
    if (event.task == task) kinds.push_back(event.kind);
  }
  return kinds;
}

inline std::vector<std::string> outcomes(const lockkit::task_queue& queue) {
  std::vector<std::string> found;
  for (const auto& each : queue.history()) found.push_back(each.outcome);
  return found;
}

/// How many descriptors a process waits for in ppoll, the one call where a wait sleeps; 0: it is elsewhere.
inline int sleeps_on(const child_process& process) {
  const std::string call = read_file("/proc/" + std::to_string(process.pid()) + "/syscall");
  long number = 0;
  unsigned long count = 0;
  const bool in_a_call = std::sscanf(call.c_str(), "%ld %*s %lx", &number, &count) == 2;
  return in_a_call && number == SYS_ppoll ? static_cast<int>(count) : 0;
}

/// The error that a report leaves.
template <class Call>
std::error_code code_of(Call&& call) {
  std::error_code ec;
  call(ec);
  return ec;
}

}  // namespace testing
