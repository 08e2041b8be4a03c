/// Completion for fish: one line per option, each with the command that it belongs to as its condition.
#include <fmt/format.h>

#include "pages/command_doc.hpp"

namespace lockkit_command {
namespace {

std::string fish_text(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string condition(const command_doc& command) {
  return fish_text(fmt::format("__lockkit_at {}", fish_text(command.name())));
}

std::string value(const argument_doc& argument) {
  switch (argument.kind) {
    case value_kind::none:
      return "";
    case value_kind::words:
      return fmt::format(" -x -a {}", fish_text(fmt::format("{}", fmt::join(argument.words, " "))));
    case value_kind::file:
      return " -r -F";
    case value_kind::directory:
      return " -x -a '(__fish_complete_directories)'";
    case value_kind::process:
      return " -x -a '(__fish_complete_pids)'";
    default:
      return " -x";
  }
}

std::string option_line(const command_doc& command, const argument_doc& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
  }
  return fmt::format("complete -c lockkit -n {}{}{} -d {}\n", condition(command), names, value(option),
                     fish_text(option.help));
}

std::string lines_of(const command_doc& command) {
  std::string lines;
  for (const argument_doc& option : command.options) lines += option_line(command, option);
  for (const command_doc& child : command.children) {
    lines += fmt::format("complete -c lockkit -n {} -f -a {} -d {}\n", condition(command), child.path.back(),
                         fish_text(child.summary));
  }
  if (!command.positionals.empty() && command.children.empty()) {
    const argument_doc& first = command.positionals.front();
    lines += fmt::format("complete -c lockkit -n {}{}\n", condition(command),
                         first.kind == value_kind::file
                             ? " -F"
                             : " -f" + value(first).substr(std::min<std::size_t>(3, value(first).size())));
  }
  if (command.runs_command) {
    lines += fmt::format("complete -c lockkit -n {} -f -a '(__fish_complete_subcommand --fcs-skip=$__lockkit_skip)'\n",
                         fish_text(fmt::format("__lockkit_runs {}", fish_text(command.name()))));
  }
  return lines;
}

std::string fish_steps(const command_doc& program) {
  std::string rows;
  for_each_command(program, [&](const command_doc& command) {
    for (const command_doc& child : command.children) {
      rows += fmt::format("            case {}\n                set path {}\n",
                          fish_text(command.name() + "/" + child.path.back()), fish_text(child.name()));
    }
  });
  return rows;
}

}  // namespace

std::string fish_completion(const command_doc& program) {
  std::string text = "# fish completion for lockkit; made from the program's own options when it was built.\n";
  text +=
      "function __lockkit_path\n    set -l path ''\n    set -g __lockkit_skip 0\n    set -l tokens (commandline "
      "-opc)\n";
  text += "    for word in $tokens[2..]\n        set __lockkit_skip (math $__lockkit_skip + 1)\n";
  text += "        if test \"$word\" = --\n            echo $path\n            return 1\n        end\n";
  text += "        switch \"$path/$word\"\n" + fish_steps(program) + "        end\n    end\n    echo $path\nend\n";
  text +=
      "function __lockkit_at\n    set -l path (__lockkit_path); or return 1\n    test \"$path\" = \"$argv[1]\"\nend\n";
  text +=
      "function __lockkit_runs\n    set -l path (__lockkit_path); and return 1\n    test \"$path\" = "
      "\"$argv[1]\"\nend\n";
  text += "complete -c lockkit -f\n";
  for_each_command(program, [&](const command_doc& command) { text += lines_of(command); });
  return text;
}

}  // namespace lockkit_command
