#pragma once
/// What every program here does with its command line.

#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <optional>
#include <system_error>

namespace tooling {

/// Parsing runs the command. `failed` hears what ended it, and of output that could not be written. Returns the exit
/// status of wrong arguments and of --help; none: the command has run.
inline std::optional<int> run_app(CLI::App& app, int argc, char** argv,
                                  const std::function<void(const std::exception& why)>& failed) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? EX_OK : EX_USAGE;
  } catch (const std::exception& why) {
    failed(why);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    failed(std::system_error(std::make_error_code(std::errc::io_error), "cannot write to standard output"));
  }
  return std::nullopt;
}

}  // namespace tooling
