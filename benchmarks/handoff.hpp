#pragma once
/// How long a lock stands free while others want it: from the call that releases it to the return of the next
/// acquisition, whoever makes it; and separately where that is another process.
///
/// Processes are forked once and take the variants in turn, phase by phase of some ten milliseconds, so that all
/// variants see the same machine. A holder keeps the lock for 200 µs asleep and asks again at once. Each phase also
/// checks that nobody is inside with somebody else.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compare.hpp"

namespace benchmark {

/// One process's way of taking turns.
struct turn_taker {
  std::function<void()> acquire;
  std::function<void()> release;
};

struct handoff_variant {
  std::string name;
  std::function<turn_taker()> make;  ///< called in each process
  std::optional<goal> wanted{};
};

struct handoff_measurement {
  measurement times;  ///< release to next acquisition; ratio of the phases' medians
  double max_us = 0;
  double to_another_us = 0;
  double cpu_us = 0;    ///< of all processes, per acquisition
  double fairness = 0;  ///< fewest turns of a process / most turns
};

/// The first variant is the floor.
[[nodiscard]] std::vector<handoff_measurement> compare_handoffs(const std::vector<handoff_variant>& variants,
                                                                int processes, std::chrono::milliseconds budget);

}  // namespace benchmark
