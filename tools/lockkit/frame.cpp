#include "frame.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <lockkit/error.hpp>
#include <lockkit/version.hpp>

#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "other_program.hpp"

namespace lockkit_command {
namespace {

/// With stdin, stdout or stderr closed, the next file opened would get its number, and our messages. What stands in for
/// the first two can't be read, or written: no input is not an empty one, and an answer must arrive. A command inherits
/// none of them.
void open_missing_streams() noexcept {
  constexpr std::array modes = {O_WRONLY, O_RDONLY, O_RDWR};
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one.
    [[maybe_unused]] const int same = ::open("/dev/null", modes.at(static_cast<std::size_t>(fd)) | O_CLOEXEC);
  }
}

/// Takes off the end of the command line what CLI11 is not to see.
void split_words(const subcommand& wanted, std::vector<std::string>& words, invocation& call) {
  const auto dashes = std::ranges::find(words, "--");
  const bool command = std::ranges::any_of(wanted.command_below, [&](std::string_view word) {
    return !word.empty() && std::find(words.begin(), dashes, word) != dashes;
  });
  if (dashes != words.end() && (command || wanted.lists_paths)) {
    (command ? call.command : call.more_paths).assign(dashes + 1, words.end());
    words.erase(dashes, words.end());
  }
}

/// CLI11 takes "[a,b]" and "{}" for lists. A path of that look is the same path with "./" before it.
void guard_lists(std::vector<std::string>& words) {
  for (std::string& word : words) {
    const bool list = word.size() > 1 && ((word.front() == '[' && word.back() == ']') || word == "{}");
    if (list) word.insert(0, "./");
  }
}

/// CLI11 wants the words in reverse.
int parse(CLI::App& app, std::vector<std::string> words, const invocation& call) {
  const std::string name = words.empty() ? "" : " " + words.front();
  std::ranges::reverse(words);
  try {
    app.parse(std::move(words));
    return call.exit_code;
  } catch (const CLI::ParseError& failure) {
    if (failure.get_exit_code() == 0) return app.exit(failure);  // help, version
    const bool known = !app.get_subcommands().empty();
    say("{}; see 'lockkit{} --help'", printable(failure.what()), known ? printable(name) : "");
    return wrong_usage;
  }
}

int parse_and_run(std::span<const subcommand> list, int argc, char** argv) {
  CLI::App app;
  invocation call;
  describe_program(app);
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const subcommand* const wanted = words.empty() ? nullptr : find_subcommand(list, words.front());
  if (wanted != nullptr && wanted->add == nullptr) return run_other_program(argv);
  if (wanted == nullptr && !words.empty() && !words.front().starts_with('-')) {
    say("there is no subcommand '{}'; see 'lockkit --help'", printable(words.front()));
    return wrong_usage;
  }
  if (wanted != nullptr) {
    add_all(app, std::span(wanted, 1), call);
    split_words(*wanted, words, call);
    if (wanted->lists_paths) guard_lists(words);
  } else {
    add_all(app, list, call);
  }
  return parse(app, std::move(words), call);
}

/// What was printed has arrived, or the answer is not known.
int flushed(int code) noexcept {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  say("cannot write to the standard output: {}", std::strerror(errno));
  return code == done ? io_error : code;
}

}  // namespace

const subcommand* find_subcommand(std::span<const subcommand> list, std::string_view name) noexcept {
  const auto found = std::ranges::find(list, name, &subcommand::name);
  return found == list.end() ? nullptr : &*found;
}

void add_all(CLI::App& app, std::span<const subcommand> list, invocation& call) {
  for (const subcommand& each : list) {
    CLI::App* const sub = app.add_subcommand(std::string(each.name), each.summary);
    if (each.add != nullptr) each.add(*sub, call);
  }
}

void describe_program(CLI::App& app) {
  app.name("lockkit");
  app.description("Locks, publishing, caches and claims that scripts and programs share");
  app.set_version_flag("--version", LOCKKIT_VERSION);
  app.footer(exit_codes_text());
  app.require_subcommand(1);
}

int run_program(std::span<const subcommand> list, int argc, char** argv) noexcept {
  return guarded([&] {
    open_missing_streams();
    ::signal(SIGCHLD, SIG_DFL);  // ignored by our parent, a child's end would never be told; a command gets it so, too
    return flushed(parse_and_run(list, argc, argv));
  });
}

}  // namespace lockkit_command
