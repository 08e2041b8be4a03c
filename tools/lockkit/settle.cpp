/// lockkit settle DIR
#include <lockkit/settle.hpp>

#include "exit_code.hpp"
#include "message.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct settle_arguments {
  std::string directory;
  std::chrono::nanoseconds quiet_time = std::chrono::seconds(2);
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  std::size_t files = 1;
};

std::string describe_place(const lockkit::settle_result& found) {
  return found.where.empty() ? std::string() : fmt::format(" ({})", in_quotes(found.where));
}

int report(const settle_arguments& given, const lockkit::settle_result& found) {
  switch (found.state) {
    case lockkit::settle_state::settled:
      if (!found.writers_seen) {
        say("{} has settled, but it could not be seen of each file whether somebody has it open for writing",
            in_quotes(given.directory));
      }
      return done;
    case lockkit::settle_state::unsettled:
      say("{} has not settled within {}: {}{}; wait longer, or look at who writes there", in_quotes(given.directory),
          duration_text(given.timeout), printable(found.reason), describe_place(found));
      return not_in_time;
    case lockkit::settle_state::vanished:
      break;
  }
  say("cannot wait for {} to settle: there is no such directory, or none any more; see whether it was removed or moved "
      "away",
      in_quotes(given.directory));
  return cannot_create;
}

int settle(const settle_arguments& given) {
  lockkit::settle_options how;
  how.quiet_time = std::chrono::ceil<std::chrono::milliseconds>(
      std::min<std::chrono::nanoseconds>(given.quiet_time, std::chrono::hours(24 * 365)));
  how.minimum_files = given.files;
  return report(given, lockkit::wait_until_settled(given.directory, how, lockkit::deadline::after(given.timeout)));
}

constexpr const char* about_settle =
    "Settled: no event and no change inside for the quiet time, nothing there has the name of an unfinished file "
    "(*.part,\n"
    "*.tmp, rsync's), and nobody has a file there open for writing. 75: not in time, and what stands in the way.";

}  // namespace

void add_settle(CLI::App& sub, invocation& call) {
  auto given = std::make_shared<settle_arguments>();
  add_path(sub, "directory", given->directory, "What is being copied into it is complete when this returns")
      ->type_name("DIR")
      ->required();
  add_duration(sub, "--quiet-time", given->quiet_time, "Without any change inside; default: 2");
  add_duration(sub, "--timeout", given->timeout, "How long to wait; 0 looks once; default: never give up");
  sub.add_option("--files", given->files, "At least so many belong to it, at any depth; default: 1")->type_name("N");
  sub.footer(about_settle);
  sub.callback([given, &call] { call.exit_code = settle(*given); });
}

}  // namespace lockkit_command
