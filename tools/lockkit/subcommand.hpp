#pragma once
/// What the frame (frame.hpp) and a subcommand know of each other.

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lockkit_command {

/// One run of the program. Outlives every callback.
struct invocation {
  int exit_code = 0;
  /// What followed the first "--", for a subcommand that runs a COMMAND: no option of ours, whatever it looks like.
  std::vector<std::string> command;
  /// What followed the first "--", for a subcommand that takes any number of paths.
  std::vector<std::string> more_paths;
};

/// A row of the list of subcommands. `summary` is the line in the help, the man page and the completions.
struct subcommand {
  std::string_view name;
  const char* summary = "";
  /// Gives `sub`, an empty command of that name, its options, its positionals, its text (footer) and its callback, which
  /// sets the exit code. Null: the subcommand lives in the other program, and only its summary is known here.
  void (*add)(CLI::App& sub, invocation& call) = nullptr;
  /// The words below which what follows the first "--" is a COMMAND: the name itself, or names of nested ones.
  std::array<std::string_view, 3> command_below{};
  /// Takes any number of paths. CLI11 would read "[a,b]" as two of them, and end the list at "--".
  bool lists_paths = false;
};

}  // namespace lockkit_command
