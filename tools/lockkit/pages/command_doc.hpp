#pragma once
/// What the pages are made from: the tree of commands, as CLI11 holds it for parsing. So a page can't tell of an option
/// that does not exist, nor miss one.

#include <string>
#include <vector>

#include "subcommand.hpp"

namespace lockkit_command {

enum class value_kind { none, words, file, directory, process, other };

struct argument_doc {
  std::vector<std::string> names;  ///< "--timeout", "-n"; empty for a positional
  std::string type;                ///< "SECONDS"; for a positional what stands for it, "PATH"
  std::string help;
  value_kind kind = value_kind::none;
  std::vector<std::string> words;  ///< of kind words
  bool required = false;
  bool repeated = false;
};

struct command_doc {
  std::vector<std::string> path;  ///< {"claim", "add"}; empty for lockkit itself
  std::string summary;
  std::string text;
  bool runs_command = false;  ///< COMMAND follows after "--"
  std::vector<argument_doc> options{};
  std::vector<argument_doc> positionals{};
  std::vector<command_doc> children{};

  /// "claim add"; `between` joins the words.
  [[nodiscard]] std::string name(const char* between = " ") const;
};

/// The whole program, both sides.
[[nodiscard]] command_doc document_program();

/// Calls `visit` for the command and everything below it.
template <class Visit>
void for_each_command(const command_doc& command, const Visit& visit) {
  visit(command);
  for (const command_doc& child : command.children) for_each_command(child, visit);
}

[[nodiscard]] std::string man_page(const command_doc& program, const command_doc& command);
[[nodiscard]] std::string bash_completion(const command_doc& program);
[[nodiscard]] std::string zsh_completion(const command_doc& program);
[[nodiscard]] std::string fish_completion(const command_doc& program);

}  // namespace lockkit_command
