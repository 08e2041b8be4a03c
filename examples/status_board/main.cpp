// status_board: every job's status in one git checkout, pushed to a remote that others push to as well. The lock, the
// atomic files and the waiting are lockkit's; here are git, the rules of sharing (board.hpp) and what people see.

#include <fmt/format.h>

#include <cstdio>

#include "command.hpp"
#include "tooling/failure.hpp"
#include "tooling/run_app.hpp"

namespace {

using namespace status_board;

constexpr const char* exit_codes = R"(
Exit status
  0   done; of update also: the file is written, and will be committed by the next update or sync
  64  wrong arguments
  65  bad data: a wrong configuration, something else than a status where one belongs
  66  no such checkout
  69  git can't be run, or does not answer
  70  an error nobody foresaw
  73  a file can't be made
  74  reading or writing failed
  75  of sync: something is left to send; the next sync tries again
  77  no permission)";

void declare(CLI::App& app, context& shared) {
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_codes);
  app.add_option("--config", shared.configuration_file, "YAML file; default: .git/status_board.yaml, if there is one")
      ->envname("STATUS_BOARD_CONFIG");
  for (const auto add : {&add_update, &add_sync, &add_show}) add(app, shared);
}

int run(CLI::App& app, context& shared, int argc, char** argv) {
  const auto failed = [&](const std::exception& why) {
    fmt::print(stderr, "status_board: {}\n", why.what());
    shared.result = static_cast<int>(tooling::status_of(why));
  };
  const auto refused = tooling::run_app(app, argc, argv, failed);
  return refused ? *refused : shared.result;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    context shared;
    CLI::App app("Every job's status in one git checkout", "status_board");
    declare(app, shared);
    return run(app, shared, argc, argv);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "status_board: %s\n", why.what());
    return EX_SOFTWARE;
  }
}
