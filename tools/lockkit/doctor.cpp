/// lockkit doctor DIR [--json]
#include <algorithm>
#include <memory>

#include "doctor/examination.hpp"
#include "exit_code.hpp"
#include "json_output.hpp"
#include "message.hpp"
#include "options.hpp"
#include "quick_subcommands.hpp"

namespace lockkit_command {
namespace {

struct doctor_options {
  std::string directory;
  bool as_json = false;
};

const char* name_of(verdict value) noexcept {
  switch (value) {
    case verdict::holds:
      return "holds";
    case verdict::weaker:
      return "weaker";
    case verdict::refuses:
      return "refuses";
  }
  return "unknown";
}

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

void print_as_json(const std::string& directory, const examination& found) {
  json answer;
  put_text(answer, "directory", directory);
  put_text(answer, "filesystem", found.filesystem);
  answer["error"] = found.error ? json(found.error.message()) : json();
  answer["probes"] = json::array();
  for (const probe_result& each : found.probes) {
    const json works = each.works ? json(*each.works) : json();
    answer["probes"].push_back({{"name", each.name}, {"works", works}, {"detail", text_or_null(each.detail)}});
  }
  answer["promises"] = json::array();
  for (const promise& each : found.promises) {
    answer["promises"].push_back(
        {{"name", each.name}, {"verdict", name_of(each.value)}, {"reason", text_or_null(each.reason)}});
  }
  print_json(answer);
}

void print(const std::string& directory, const examination& found) {
  fmt::print("{}: {}\n", printable(directory), found.filesystem);
  if (!found.probes.empty()) fmt::print("\nwhat the filesystem can do\n");
  for (const probe_result& each : found.probes) {
    const char* const answer = !each.works ? "unknown" : *each.works ? "yes" : "no";
    fmt::print("  {:<20}{:<9}{}\n", each.name, answer, each.detail);
  }
  fmt::print("\nwhat lockkit promises here\n");
  for (const promise& each : found.promises) {
    fmt::print("  {:<40}{:<9}{}\n", each.name, name_of(each.value), each.reason);
  }
}

int doctor(const doctor_options& options) {
  const examination found = examine(options.directory);
  if (options.as_json) {
    print_as_json(options.directory, found);
  } else if (!found.error || exit_code_for(found.error) != cannot_create) {
    print(options.directory, found);
  }
  if (found.error) {
    say("cannot examine {}: {}", in_quotes(options.directory), found.error.message());
    return exit_code_for(found.error);
  }
  const bool refuses =
      std::ranges::any_of(found.promises, [](const promise& p) { return p.value == verdict::refuses; });
  return refuses ? unsupported : done;
}

constexpr const char* about_doctor =
    "Tries everything in a subdirectory of its own, which it removes: exclusive creation, links by descriptor, the "
    "three\n"
    "kinds of kernel locks (each must keep a second process out), inotify (an event must arrive), unnamed files, the "
    "flags\n"
    "of rename, syncing files and directories, sharing of blocks (reflink). Then says of each promise of lockkit "
    "whether it\n"
    "holds there, is weaker, or whether lockkit refuses. Ends with 0 if nothing is refused, else with 69; with 73, 74 "
    "or 77\n"
    "if nothing can be made there.\n"
    "\n"
    "With --json, an object:\n"
    "\n"
    "  directory   as it was given\n"
    "  filesystem  its type\n"
    "  error       null, or why nothing could be tried\n"
    "  probes      a list of objects: name, works (true, false, null: not known), detail\n"
    "  promises    a list of objects: name, verdict (\"holds\", \"weaker\" or \"refuses\"), reason";

}  // namespace

void add_doctor(CLI::App& sub, invocation& call) {
  auto options = std::make_shared<doctor_options>();
  add_path(sub, "directory", options->directory, "A directory on the filesystem in question")
      ->required()
      ->type_name("DIR");
  sub.add_flag("--json", options->as_json, "Answer as JSON");
  sub.footer(about_doctor);
  sub.callback([options, &call] { call.exit_code = doctor(*options); });
}

}  // namespace lockkit_command
