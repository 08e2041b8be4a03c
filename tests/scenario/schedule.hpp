#pragma once
/// What schedules of several contenders share: where they begin, what happens to them meanwhile, what must hold after.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "scenario/contender.hpp"
#include "support/scratch.hpp"

namespace testing {

/// Sanitizers make a fork twenty times slower: each sequence of calls is sampled there, from another beginning.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t sampling = 6;
#else
inline constexpr std::uint64_t sampling = 1;
#endif

struct lock_place {
  lock_place() : lock(directory / "l"), guard(directory / ".l.guard") {}
  scratch_directory directory;
  std::filesystem::path lock;
  std::filesystem::path guard;
};

struct step {
  const char* name;
  std::function<void(const lock_place&)> run;
};

/// States in which an acquisition finds the place; in all of them the lock is free.
extern const std::vector<step> beginnings;
/// What a careless person may do while a process is parked: nothing, remove one of the two names.
extern const std::vector<step> disturbances;

inline constexpr lockkit::detail::plant_method plant_methods[] = {lockkit::detail::plant_method::automatic,
                                                                  lockkit::detail::plant_method::own_file,
                                                                  lockkit::detail::plant_method::exclusive};

/// As a script takes the lock; false: it exists.
bool take_as_script(const std::filesystem::path& lock);
bool is_script_lock(const std::filesystem::path& lock);

/// After everybody has let go, the next one enters and leaves nothing but its guard.
void require_usable(const lock_place& at);
void let_go(contender& one, event state);

/// Runs `attempt` for call 1, 2, ... until it reports that the parked process has no such call. How many it had.
std::uint64_t at_every_call(const std::function<bool(std::uint64_t)>& attempt);

}  // namespace testing
