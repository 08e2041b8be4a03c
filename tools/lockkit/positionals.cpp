#include "positionals.hpp"

#include <CLI/CLI.hpp>

namespace lockkit_command {

void complete(const std::vector<std::string*>& positionals, std::vector<std::string>& command) {
  bool taken = false;
  for (std::string* const each : positionals) {
    if (!each->empty()) continue;
    if (command.empty()) throw CLI::RequiredError("an argument before the '--' of a command");
    *each = command.front();
    command.erase(command.begin());
    taken = true;
  }
  if (!taken || command.empty()) return;
  if (command.front() != "--") throw CLI::ExtrasError({command.front() + " (a command follows another '--')"});
  command.erase(command.begin());
}

}  // namespace lockkit_command
