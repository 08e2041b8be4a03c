/// What it costs to start the command: beside flock(1), which does as much for a file that stays.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "naked.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace benchmark {
namespace {

/// Starts it and waits for its end; the last word is a program without a search in PATH.
void start(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  pid_t child = 0;
  checked(::posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) == 0 ? 0 : -1,
          "posix_spawnp");
  int status = 0;
  checked(::waitpid(child, &status, 0), "waitpid");
  checked(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1, words[0].c_str());
}

}  // namespace

void startup_rows(const row_options& options) {
  const std::string path = options.directory / "command.lock";
  const std::string kernel = options.directory / "command.mutex";
  const std::string program = LOCKKIT_COMMAND;
  print_table(
      "Start-up of the command",
      compare({{"flock PATH true (floor)", [&] { start({"flock", kernel, "/bin/true"}); }},
               {"true alone", [&] { start({"/bin/true"}); }},
               {"lockkit run PATH -- true", [&] { start({program, "run", path, "--", "/bin/true"}); }, goal{1.5}},
               {"lockkit run --kernel PATH -- true",
                [&] { start({program, "run", "--kernel", kernel, "--", "/bin/true"}); }, goal{1.5}}},
              options.budget));
}

}  // namespace benchmark
