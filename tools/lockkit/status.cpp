/// lockkit status PATH
#include <fmt/format.h>

#include <lockkit/inspect.hpp>

#include "exit_code.hpp"
#include "subcommands.hpp"

namespace lockkit_command {
namespace {

const char* name_of(lockkit::lock_state state) noexcept {
  switch (state) {
    case lockkit::lock_state::free:
      return "free";
    case lockkit::lock_state::held:
      return "held";
    case lockkit::lock_state::stale:
      return "stale: the next process that locks it takes it over";
    case lockkit::lock_state::foreign:
      return "foreign: not locked by lockkit";
  }
  return "unknown";
}

int status(const std::string& path) {
  const lockkit::lock_inspection found = lockkit::inspect(path);
  fmt::print("{}: {}\n", path, name_of(found.state));
  if (found.state == lockkit::lock_state::free) return done;
  if (found.holder) fmt::print("  owner: {}\n", found.holder->describe());
  fmt::print("  changed: {:.1f} s ago\n", std::chrono::duration<double>(found.age).count());
  if (!found.holders.empty()) fmt::print("  processes: {}\n", fmt::join(found.holders, ", "));
  return done;
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("status", "Say who holds a lock file");
  sub->add_option("path", *path, "The lock file")->required();
  sub->callback([path, &exit_code] { exit_code = status(*path); });
}

}  // namespace lockkit_command
