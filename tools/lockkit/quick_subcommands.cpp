#include "quick_subcommands.hpp"

#include <algorithm>

#include "store_subcommands.hpp"

namespace lockkit_command {
namespace {

constexpr std::array own = {
    subcommand{"run", "Run a command while holding a lock", add_run, {"run"}},
    subcommand{"acquire", "Hold a lock file for as long as a process lives", add_acquire},
    subcommand{"release", "End what acquire began", add_release},
    subcommand{"status", "Say who holds a lock, and who waits", add_status, {}, true},
    subcommand{"wait", "Wait until a lock is free, without taking it", add_wait},
    subcommand{"break", "Remove the lock file of a holder that is dead", add_break},
    subcommand{"clean", "Remove what crashed processes and idle locks left in a directory", add_clean},
    subcommand{"publish", "Put data into a file in one step: readers see the old or the new", add_publish, {"publish"}},
    subcommand{"mkdir", "Make a directory while others make and remove the same one", add_mkdir},
    subcommand{"settle", "Wait until what is copied into a directory is complete", add_settle},
    subcommand{"doctor", "Find out what lockkit can promise in a directory", add_doctor},
};

constexpr auto all_rows() {
  std::array<subcommand, own.size() + store_summaries.size()> rows{};
  std::ranges::copy(own, rows.begin());
  std::ranges::copy(store_summaries, rows.begin() + own.size());
  return rows;
}

constexpr auto rows = all_rows();

}  // namespace

std::span<const subcommand> quick_subcommands() noexcept {
  return rows;
}

}  // namespace lockkit_command
