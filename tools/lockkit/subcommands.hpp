#pragma once
/// Each subcommand adds itself to the command line; its callback stores the exit code.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lockkit_command {

/// `after_dashes`: what followed the first "--"; no option of ours.
void add_run(CLI::App& app, std::vector<std::string> after_dashes, int& exit_code);
void add_status(CLI::App& app, int& exit_code);

}  // namespace lockkit_command
