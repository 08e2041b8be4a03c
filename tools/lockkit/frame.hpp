#pragma once
/// The frame of both programs, lockkit and lockkit-store: command line in, exit code out.
///
/// Only the subcommand that is asked for is built: to build all of them takes longer than most of them run.
/// Words of type names have a meaning for the completions (pages.cpp): PATH, FILE and DIR are completed as such, COMMAND
/// as a program, `a|b|c` by these words; PID by processes. Everything else is left to the user.

#include <span>

#include "subcommand.hpp"

namespace lockkit_command {

/// The list's row of that name; null if there is none.
[[nodiscard]] const subcommand* find_subcommand(std::span<const subcommand> list, std::string_view name) noexcept;

/// The program with all subcommands of the list, for the help and for the pages made from it.
void add_all(CLI::App& app, std::span<const subcommand> list, invocation& call);
/// What every command line of ours shares: name, version, the exit codes.
void describe_program(CLI::App& app);

/// Parses and runs; never throws. Failures are said on stderr.
[[nodiscard]] int run_program(std::span<const subcommand> list, int argc, char** argv) noexcept;

}  // namespace lockkit_command
