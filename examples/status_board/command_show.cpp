// show: the board for people.

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <lockkit/backoff.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/staged_file.hpp>
#include <memory>

#include "board.hpp"
#include "command.hpp"
#include "status_files.hpp"
#include "view.hpp"

namespace status_board {
namespace {

struct show_arguments {
  std::string checkout;
  std::string page;
  bool watch = false;
  double every = 2;
};

std::string describe_lock(const board& here) {
  std::error_code ec;
  const auto found = lockkit::inspect(here.lock_path(), ec);
  const std::string holder = found.holder ? found.holder->describe() : "somebody who left no PID";
  switch (found.state) {
    case lockkit::lock_state::free:
      return "free";
    case lockkit::lock_state::stale:
      return "free (a crashed holder's file is left)";
    case lockkit::lock_state::held:
      return "held by " + holder;
    case lockkit::lock_state::foreign:
      break;
  }
  return "held by a script, " + holder;
}

view look(const board& here) {
  const status_files files(here.place.checkout, status_files::missing::leave);
  return {.checkout = here.place.checkout.native(),
          .lock = describe_lock(here),
          .rows = rows_of(files.read_all()),
          .now = current_time()};
}

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

void show_once(const board& here, const show_arguments& given) {
  const view seen = look(here);
  if (!given.page.empty()) {
    const auto refresh = given.watch ? static_cast<unsigned>(std::max(1.0, given.every)) : 0U;
    lockkit::publish(given.page, page_of(seen, refresh), lockkit::durability::visible);
    return;
  }
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const bool colours = terminal && std::getenv("NO_COLOR") == nullptr;
  const std::string_view clear = given.watch && terminal ? "\x1b[H\x1b[2J" : "";
  fmt::print("{}{}", clear, table_of(seen, colours, terminal_width()));
  std::fflush(stdout);
}

void show(const show_arguments& given, const context& shared) {
  const board here(given.checkout, shared.configuration_file, "show");
  for (;;) {
    show_once(here, given);
    if (!given.watch || std::ferror(stdout) != 0) return;
    lockkit::sleep_until(lockkit::deadline::after(std::chrono::duration<double>(given.every)));
  }
}

}  // namespace

void add_show(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("show", "shows every job, as a table or as a page");
  auto given = std::make_shared<show_arguments>();
  command->add_option("checkout", given->checkout, "the top of a git checkout")->required();
  command->add_option("--html", given->page, "write a self-contained page to this file instead");
  command->add_flag("--watch", given->watch, "again and again, until interrupted");
  command->add_option("--every", given->every, "seconds between two looks of --watch")->check(CLI::Range(0.1, 86400.0));
  command->callback([given, &shared] { show(*given, shared); });
}

}  // namespace status_board
