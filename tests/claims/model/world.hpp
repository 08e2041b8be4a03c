#pragma once
/// What the claims and tasks of one database must be, in plain containers and nested loops: no SQL, no locks, no clock.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

namespace model {

struct unit {
  lockkit::resource what;
  lockkit::resource_state state = lockkit::resource_state::up;
  std::uint64_t token = 0;
};

struct held {
  unsigned number = 0;    ///< in the order of the grants: keys are drawn at random, and a seed must repeat its run
  int actor = 0;          ///< whose process must live, for claim_life::process and job
  bool is_usable = true;  ///< its claim object is there
  lockkit::claim_life life = lockkit::claim_life::process;
  bool expired = false;  ///< a lease that is known to have run out
  std::vector<std::string> names{};
};

struct work {
  lockkit::new_task what;
  lockkit::task_state state = lockkit::task_state::ready;
  std::uint32_t attempt = 0;
  std::uint32_t max_attempts = 1;
  bool cancel_wanted = false;
  std::string claim_key{};
};

enum class outcome { granted, none, never };

class world {
 public:
  std::map<std::string, unit> units;
  std::map<std::string, held> claims;  ///< by key; those that stand
  std::map<std::uint64_t, work> tasks;

  [[nodiscard]] std::uint32_t used(const std::string& name) const;
  [[nodiscard]] outcome expected(const lockkit::claim_request& request) const;
  /// Whether these units are what the request may get.
  [[nodiscard]] bool may_get(const lockkit::claim_request& request, const std::vector<std::string>& names) const;
  /// The task that must be taken next, if any can be.
  [[nodiscard]] std::optional<std::uint64_t> next_task() const;
  /// Whether a task ahead of `id` waits for resources: after a second it sets some aside.
  [[nodiscard]] bool has_hungry_task_before(std::uint64_t id) const;
  [[nodiscard]] bool is_blocked(const work& task) const;

  /// The claim ends by other means than a report; its task goes where it must.
  void lose(const std::string& key);
  /// Its holder is gone: what only a release ends stays, unless it is a task's that nothing outside works on yet.
  void lose_holder(const std::string& key);
  void kill(int actor);
  /// Another boot: only claim_life::released stays.
  void reboot();
  /// Ended by a report.
  void over(std::uint64_t id, lockkit::task_state state);

 private:
  [[nodiscard]] std::vector<const unit*> matching(const lockkit::claim_request& request, bool only_free) const;
  [[nodiscard]] std::vector<std::pair<std::uint64_t, const work*>> ready() const;
  [[nodiscard]] work* task_of(const std::string& key);
};

/// Whether so many can be chosen from them.
[[nodiscard]] bool enough(const std::vector<const unit*>& found, const lockkit::claim_request& request);

}  // namespace model
