#include <algorithm>
#include <cstdio>
#include <string_view>

#include <lockkit/error.hpp>
#include <lockkit/version.hpp>

#include "exit_code.hpp"
#include "subcommands.hpp"

namespace {

constexpr const char* exit_codes =
    "Exit codes: the command's own for run, 128+n if signal n ended it; 0 done; 64 wrong usage; 69 the filesystem "
    "can't\n"
    "lock; 73 cannot create; 74 I/O error; 75 not had in time; 77 permission; 126, 127 the command can't be executed.";

/// For run: what follows the first "--" is the command's, whatever it looks like. Shortens argc.
std::vector<std::string> split_command(int& argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]) != "run") return {};
  char** const end = argv + argc;
  char** const dashes = std::find(argv + 2, end, std::string_view("--"));
  if (dashes == end) return {};
  argc = static_cast<int>(dashes - argv);
  return {dashes + 1, end};
}

int parse(CLI::App& app, int argc, char** argv, int& code) {
  try {
    app.parse(argc, argv);
    return code;
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? lockkit_command::done : lockkit_command::wrong_usage;
  }
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("lockkit: locks that shell scripts and programs share", "lockkit");
  app.set_version_flag("--version", LOCKKIT_VERSION);
  app.footer(exit_codes);
  app.require_subcommand(1);
  int code = lockkit_command::done;
  lockkit_command::add_run(app, split_command(argc, argv), code);
  lockkit_command::add_status(app, code);
  return parse(app, argc, argv, code);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const lockkit::error& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return lockkit_command::exit_code_for(failure.code());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockkit: %s\n", failure.what());
    return lockkit_command::io_error;
  }
}
