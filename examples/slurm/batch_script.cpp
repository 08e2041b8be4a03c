// Rules, each with its reason.
//  1. Every word that comes from outside stands in single quotes. sbatch refuses scripts with the line ends of DOS, so
//     that a quoted word is cut between such two bytes.
//  2. The first line asks whether the job may run. Before it there is nothing that sbatch could take for an option of
//     its own (#SBATCH), and behind a command it looks for none: a word with line ends in it stays a word.
//  3. `env` starts the command, not the shell: none of the shell's own words (eval, exec, exit) is meant.
//  4. The script goes to the directory by `env -C`: sbatch's --chdir would run the job in /tmp if it is gone.
//  5. Options of people stand before ours: of two that contradict each other sbatch takes the last, and a job is found by
//     its name. Those that no later one undoes are refused when they are read (settings.cpp).
//  6. Slurm never runs it again by itself (--no-requeue). If an administrator makes it, the first line refuses.
#include "slurm/batch_script.hpp"

#include <fmt/format.h>

#include "slurm/job_mark.hpp"
#include "tooling/client_call.hpp"
#include "tooling/words.hpp"

namespace slurm {
namespace {

/// Rule 1.
std::string quote(const std::string& word) {
  std::string result = tooling::quote_for_shell(word);
  for (std::size_t at = 0; (at = result.find("\r\n", at)) != std::string::npos;) result.insert(at + 1, "''");
  return result;
}

std::string line_of(const std::vector<std::string>& words) {
  std::string result;
  for (const std::string& each : words) result.append(result.empty() ? "" : " ").append(quote(each));
  return result;
}

std::vector<std::string> command_words(const job& what) {
  std::vector<std::string> result = {"env", "-C", what.directory.native(), "--"};
  for (const auto& [name, value] : what.environment) result.push_back(fmt::format("{}={}", name, value));
  const std::vector<std::string> command = tooling::behind_env(what.command);
  result.insert(result.end(), command.begin(), command.end());
  return result;
}

/// sbatch puts numbers in where a percent sign stands, unless a backslash stands there, too.
std::string pattern(const std::filesystem::path& file) {
  std::string result;
  const bool is_plain = file.native().find('\\') != std::string::npos;
  for (const char c : file.native()) result.append(c == '%' && !is_plain ? 2 : 1, c);
  return result;
}

}  // namespace

std::filesystem::path this_program() {
  constexpr std::string_view replaced = " (deleted)";
  std::string path = std::filesystem::read_symlink("/proc/self/exe").native();
  if (path.ends_with(replaced)) path.resize(path.size() - replaced.size());
  return path;
}

std::string batch_script(const job& what, const settings& how) {
  const auto back = [&](const std::vector<std::string>& words) {
    return line_of(tooling::by_way_of(how.back, how.back_shell, words));
  };
  std::string script = "#!/bin/sh\n";
  script += back(what.begin) + " --job \"$SLURM_JOB_ID\" --restarts \"${SLURM_RESTART_COUNT:-0}\" || exit\n";
  script += line_of(command_words(what)) + "\n";
  if (what.end.empty()) return script;
  script += "status=$?\n";
  script += back(what.end) + " --status \"$status\"\n";
  return script + "exit \"$status\"\n";
}

std::vector<std::string> submission_arguments(const job& what) {
  std::vector<std::string> result = what.options;
  result.insert(result.end(),
                {"--parsable", "--no-requeue", "--chdir=/", "--job-name=" + job_name(what.ref),
                 "--output=" + pattern(what.output), "--error=" + pattern(what.errors), what.script.native()});
  return result;
}

}  // namespace slurm
