/// Completion for zsh: one function per command, by _arguments.
#include <fmt/format.h>

#include "pages/command_doc.hpp"

namespace lockkit_command {
namespace {

/// For single quotes, inside a specification of _arguments.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result;
}

std::string action(const argument_doc& argument) {
  switch (argument.kind) {
    case value_kind::words:
      return fmt::format("({})", fmt::join(argument.words, " "));
    case value_kind::file:
      return "_files";
    case value_kind::directory:
      return "_files -/";
    case value_kind::process:
      return "_pids";
    default:
      return " ";
  }
}

std::string specification(const argument_doc& option) {
  std::string specs;
  for (const std::string& name : option.names) {
    specs += fmt::format(" \\\n    '{}[{}]", name, escaped(option.help));
    if (option.kind != value_kind::none) specs += fmt::format(":{}:{}", escaped(option.type), action(option));
    specs += "'";
  }
  return specs;
}

std::string function_name(const command_doc& command) {
  return command.path.empty() ? "_lockkit" : "_lockkit_" + command.name("_");
}

std::string positionals(const command_doc& command) {
  std::string specs;
  int place = 0;
  for (const argument_doc& each : command.positionals) {
    const std::string where = each.repeated ? "*" : fmt::format("{}", ++place);
    specs += fmt::format(" \\\n    '{}:{}:{}'", where, escaped(each.type), action(each));
  }
  return specs;
}

std::string body_with_children(const command_doc& command, const std::string& options) {
  std::string names;
  std::string cases;
  for (const command_doc& child : command.children) {
    names += fmt::format("        '{}:{}'\n", child.path.back(), escaped(child.summary));
    cases += fmt::format("        {}) {} && ret=0 ;;\n", child.path.back(), function_name(child));
  }
  return fmt::format(
      "  local curcontext=\"$curcontext\" state line ret=1\n  _arguments -C{} \\\n    '1: :->command' '*:: :->rest' && "
      "ret=0\n"
      "  case $state in\n    command)\n      local -a commands=(\n{}      )\n      _describe -t commands command "
      "commands "
      "&& ret=0 ;;\n    rest)\n      case $words[1] in\n{}      esac ;;\n  esac\n  return ret\n",
      options, names, cases);
}

std::string function(const command_doc& command) {
  std::string options;
  for (const argument_doc& option : command.options) options += specification(option);
  const std::string body = command.children.empty() ? fmt::format("  _arguments{}{}\n", options, positionals(command))
                                                    : body_with_children(command, options);
  const char* const command_first = command.runs_command ? "  _lockkit_run_command && return\n" : "";
  return fmt::format("{}() {{\n{}{}}}\n\n", function_name(command), command_first, body);
}

}  // namespace

std::string zsh_completion(const command_doc& program) {
  std::string text = "#compdef lockkit\n# Made from the program's own options when it was built.\n\n";
  text += "# After the dashes it is the command's own completion.\n_lockkit_run_command() {\n";
  text += "  local -i dashes=${words[(i)--]}\n  (( dashes < CURRENT )) || return 1\n";
  text += "  shift $dashes words\n  (( CURRENT -= dashes ))\n  _normal\n  return 0\n}\n\n";
  for_each_command(program, [&](const command_doc& command) { text += function(command); });
  return text + "_lockkit \"$@\"\n";
}

}  // namespace lockkit_command
