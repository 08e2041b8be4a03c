#include <fmt/format.h>

#include <cstdio>

#include "command.hpp"
#include "fetching/fetch_arguments.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

void print_as_json(const lockkit::directory_statistics& found) {
  const auto seconds = [&](auto time) {
    return found.keys == 0 ? "null" : std::to_string(std::chrono::system_clock::to_time_t(time));
  };
  fmt::print(
      R"({{"data_sets": {}, "contents": {}, "bytes": {}, "unnamed_contents": {}, "unnamed_bytes": {}, "leased": {}, )"
      R"("partials": {}, "partial_bytes": {}, "oldest_use": {}, "newest_use": {}}})"
      "\n",
      found.keys, found.contents, found.bytes, found.unnamed_contents, found.unnamed_bytes, found.leased,
      found.partials, found.partial_bytes, seconds(found.oldest_use), seconds(found.newest_use));
}

void print_for_people(const lockkit::directory_statistics& found) {
  fmt::print("{}: {} data sets, {} contents, {}\n", found.directory.native(), found.keys, found.contents,
             describe_size(found.bytes));
  if (found.keys > 0) {
    fmt::print("last used: {} to {} ago\n", describe_age(found.newest_use), describe_age(found.oldest_use));
  }
  fmt::print("old versions without a name: {}, {}\n", found.unnamed_contents, describe_size(found.unnamed_bytes));
  fmt::print("needed by path by running processes: {}\n", found.leased);
  fmt::print("broken off, to be resumed: {}, {}\n", found.partials, describe_size(found.partial_bytes));
}

}  // namespace

void add_stats(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("stats", "Show how much is cached, and what of it nobody needs");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "An object instead of lines; times in seconds since 1970");
  command->callback([json, &shared] {
    const lockkit::directory_statistics found = shared.open_cache().statistics().own;
    *json ? print_as_json(found) : print_for_people(found);
  });
}

}  // namespace dataset_cache
