#pragma once
/// Words that begin with '-' before a COMMAND: `run -- -path -- COMMAND`.

#include <string>
#include <vector>

namespace lockkit_command {

/// Positionals that are still empty are taken from the front of what followed the first "--"; then another "--" stands
/// before the COMMAND. CLI::ParseError where that is not so, or where one is still missing.
void complete(const std::vector<std::string*>& positionals, std::vector<std::string>& command);

}  // namespace lockkit_command
