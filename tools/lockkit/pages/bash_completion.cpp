/// Completion for bash: one function, without help from bash-completion, which need not be installed.
#include <fmt/format.h>

#include "pages/command_doc.hpp"

namespace lockkit_command {
namespace {

std::string words_of(const command_doc& command) {
  std::string words;
  for (const argument_doc& option : command.options) {
    for (const std::string& name : option.names) words += name + " ";
  }
  return words;
}

/// What completes a value: a call that fills COMPREPLY.
std::string completed_by(const argument_doc& argument) {
  switch (argument.kind) {
    case value_kind::words:
      return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", fmt::join(argument.words, " "));
    case value_kind::file:
      return "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    case value_kind::directory:
      return "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
    case value_kind::process:
      return "COMPREPLY=($(compgen -W \"$(ps -eo pid= 2>/dev/null)\" -- \"$cur\"))";
    default:
      return ":";
  }
}

/// Which words lead from a command to one below it.
std::string bash_steps(const command_doc& program) {
  std::string rows;
  for_each_command(program, [&](const command_doc& command) {
    for (const command_doc& child : command.children) {
      rows += fmt::format("      '{}/{}') path='{}' ;;\n", command.name(), child.path.back(), child.name());
    }
  });
  return rows;
}

std::string values(const command_doc& program) {
  std::string rows;
  for_each_command(program, [&](const command_doc& command) {
    for (const argument_doc& option : command.options) {
      if (option.kind == value_kind::none) continue;
      for (const std::string& name : option.names) {
        rows += fmt::format("    '{} {}') {}; return ;;\n", command.name(), name, completed_by(option));
      }
    }
  });
  return rows;
}

std::string candidates(const command_doc& program) {
  std::string rows;
  for_each_command(program, [&](const command_doc& command) {
    std::string children;
    for (const command_doc& child : command.children) children += child.path.back() + " ";
    const std::string positional = command.positionals.empty() ? ":" : completed_by(command.positionals.front());
    rows += fmt::format("    '{}') options='{}' words='{}'\n      [[ $cur == -* && -z $dashes ]] || {{ {}; }} ;;\n",
                        command.name(), words_of(command), children, positional);
  });
  return rows;
}

std::string runners(const command_doc& program) {
  std::string names;
  for_each_command(program, [&](const command_doc& command) {
    if (command.runs_command) names += (names.empty() ? "'" : " | '") + command.name() + "'";
  });
  return names;
}

}  // namespace

std::string bash_completion(const command_doc& program) {
  std::string text =
      "# bash completion for lockkit; made from the program's own options when it was built.\n_lockkit() {\n";
  text +=
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' dashes='' options='' words='' "
      "i\n";
  text += "  COMPREPLY=()\n  for ((i = 1; i < COMP_CWORD; i++)); do\n";
  text += "    if [[ ${COMP_WORDS[i]} == -- ]]; then\n      dashes=$i\n      break\n    fi\n";
  text += "    case \"$path/${COMP_WORDS[i]}\" in\n" + bash_steps(program) + "    esac\n  done\n";
  text += "  if [[ -n $dashes ]]; then\n    case $path in\n      " + runners(program) + ")\n";
  text += "        if ((COMP_CWORD == dashes + 1)); then COMPREPLY=($(compgen -c -- \"$cur\")); return; fi\n";
  text +=
      "        compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n    "
      "esac\n";
  text += "  else\n    case \"$path $prev\" in\n" + values(program) + "    esac\n  fi\n";
  text += "  case $path in\n" + candidates(program) + "  esac\n";
  text += "  if [[ $cur == -* && -z $dashes ]]; then\n    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n";
  text += "  elif [[ -n $words ]]; then\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  fi\n}\n";
  return text + "complete -F _lockkit lockkit\n";
}

}  // namespace lockkit_command
