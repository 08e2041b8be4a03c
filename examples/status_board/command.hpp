#pragma once
/// The commands, each in a file of its own: it declares its arguments and runs when they are parsed.

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace status_board {

/// What all commands share.
struct context {
  std::filesystem::path configuration_file;
  int result = EX_OK;
};

void add_update(CLI::App& app, context& shared);
void add_sync(CLI::App& app, context& shared);
void add_show(CLI::App& app, context& shared);

}  // namespace status_board
