#pragma once
/// Words that begin with '-' before a COMMAND: `run -- -path -- COMMAND`.

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace lockkit_command {

struct positional {
  CLI::Option* option;
  std::string* value;
};

/// Positionals that were not given are taken from the front of what followed the first "--"; then another "--" stands
/// before the COMMAND. CLI::ParseError where that is not so, or where one is still missing, or
/// is given, but empty.
void complete(const std::vector<positional>& positionals, std::vector<std::string>& command);

}  // namespace lockkit_command
