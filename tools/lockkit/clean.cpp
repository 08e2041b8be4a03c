/// lockkit clean DIR [--dry-run] [--json]
#include <memory>

#include <lockkit/error.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "exit_code.hpp"
#include "json_output.hpp"
#include "message.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct clean_options {
  std::string directory;
  lockkit::sweep_options how;
  std::chrono::nanoseconds minimum_age = std::chrono::minutes(1);
  bool as_json = false;
};

const char* name_of(lockkit::leftover_kind kind) noexcept {
  switch (kind) {
    case lockkit::leftover_kind::guard:
      return "guard";
    case lockkit::leftover_kind::lock_file:
      return "lock_file";
    case lockkit::leftover_kind::staged_file:
      return "staged_file";
    case lockkit::leftover_kind::staged_directory:
      return "staged_directory";
  }
  return "unknown";
}

const char* reason_for(lockkit::leftover_kind kind) noexcept {
  switch (kind) {
    case lockkit::leftover_kind::guard:
      return "guard of a lock that nobody uses";
    case lockkit::leftover_kind::lock_file:
      return "lock file of a dead holder";
    case lockkit::leftover_kind::staged_file:
      return "unfinished file of a dead process";
    case lockkit::leftover_kind::staged_directory:
      return "directory of a dead process, or replaced";
  }
  return "unknown";
}

void print(const clean_options& options, const std::vector<lockkit::leftover>& found) {
  if (options.as_json) {
    json answer;
    answer["dry_run"] = options.how.dry_run;
    answer["removed"] = json::array();
    for (const lockkit::leftover& each : found) {
      json object;
      put_text(object, "path", each.path.native());
      object["kind"] = name_of(each.kind);
      answer["removed"].push_back(object);
    }
    return print_json(answer);
  }
  for (const lockkit::leftover& each : found) {
    fmt::print("{} {}: {}\n", options.how.dry_run ? "would remove" : "removed", printable(each.path.native()),
               reason_for(each.kind));
  }
}

int clean(clean_options& options) {
  options.how.minimum_age = std::chrono::ceil<std::chrono::seconds>(options.minimum_age);
  std::error_code ec;
  print(options, lockkit::sweep_leftovers(options.directory, options.how, ec));
  if (!ec) return done;
  say("{}", failure_text(lockkit::error("clean", options.directory, ec)));
  return exit_code_for(ec);
}

constexpr const char* about_clean =
    "In DIR, not below it: the guards (.NAME.guard) of locks that nobody holds or waits for, lock files of dead "
    "holders,\n"
    "and what crashed writers left unfinished (.NAME.*.lkt, directories .NAME.*.lkd). What is in use is never "
    "touched,\n"
    "nor what lockkit did not write; a lock can be taken at any moment meanwhile.\n"
    "\n"
    "With --json, an object:\n"
    "\n"
    "  dry_run  whether nothing was removed\n"
    "  removed  a list of objects with path and kind (\"guard\", \"lock_file\", \"staged_file\",\n"
    "           \"staged_directory\")";

}  // namespace

void add_clean(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<clean_options>();
  add_path(sub, "directory", options->directory, "The directory")->required()->type_name("DIR");
  sub.add_flag("--dry-run", options->how.dry_run, "Only say what would be removed");
  sub.add_flag("--json", options->as_json, "Answer as JSON");
  add_duration(sub, "--minimum-age", options->minimum_age,
               "Leave younger unfinished files alone where their kernel lock alone proves nothing [60]");
  sub.footer(about_clean);
  sub.callback([options, &call] { call.exit_code = clean(*options); });
}

}  // namespace lockkit_command
