#pragma once
/// What `pueue status --json` says. A task's status is a word or an object of one member named so; of those that are
/// over, versions up to 3 say {"Done": RESULT} and later ones {"Done": {..., "result": RESULT}}. RESULT is a word or an
/// object of one member as well.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpu_scheduler {

enum class pueue_state {
  waiting,  ///< queued, stashed, locked: it has no process
  running,  ///< or paused: it has
  succeeded,
  failed,
  killed,
};

struct pueue_task {
  std::uint64_t id = 0;
  std::string label;
  pueue_state state = pueue_state::waiting;
  std::string detail;  ///< of a failure, for people
};

/// Those that have a label. Throws failure if it can't be understood: nothing is known then, which is not the same as no
/// task.
[[nodiscard]] std::vector<pueue_task> parse_pueue_status(std::string_view text);

}  // namespace gpu_scheduler
