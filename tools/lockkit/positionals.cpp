#include "positionals.hpp"

namespace lockkit_command {

namespace {

/// Not what is empty: a script's variable without a value must not make the word behind it the file.
bool take_missing(const positional& wanted, std::vector<std::string>& command) {
  if (wanted.option->count() > 0) return false;
  if (command.empty()) throw CLI::RequiredError("an argument before the '--' of a command");
  *wanted.value = command.front();
  command.erase(command.begin());
  return true;
}

}  // namespace

void complete(const std::vector<positional>& positionals, std::vector<std::string>& command) {
  bool taken = false;
  for (const positional& each : positionals) {
    taken = take_missing(each, command) || taken;
    if (each.value->empty()) throw CLI::ValidationError(each.option->get_name(), "is empty");
  }
  if (!taken || command.empty()) return;
  if (command.front() != "--") throw CLI::ExtrasError({command.front() + " (a command follows another '--')"});
  command.erase(command.begin());
}

}  // namespace lockkit_command
