/// lockkit cache --cache DIR stats
#include <fmt/format.h>

#include <algorithm>

#include "cache_command.hpp"
#include "exit_code.hpp"
#include "fetching/console.hpp"

namespace lockkit_command {
namespace {

using fetching::describe_size;

/// When what is cached was fetched.
struct fetch_times {
  std::chrono::system_clock::time_point oldest{};
  std::chrono::system_clock::time_point newest{};
};

fetch_times times_of(const std::vector<lockkit::cache_record>& records) {
  fetch_times times;
  for (const lockkit::cache_record& each : records) {
    times.oldest = &each == &records.front() ? each.fetched_at : std::min(times.oldest, each.fetched_at);
    times.newest = std::max(times.newest, each.fetched_at);
  }
  return times;
}

void print_statistics(const lockkit::directory_statistics& found, const fetch_times& times) {
  fmt::print("{} keys, {} contents, {}\n", found.keys, found.contents, describe_size(found.bytes));
  if (found.keys > 0) {
    fmt::print("fetched from {} to {}\n", utc_text(times.oldest), utc_text(times.newest));
    fmt::print("last used from {} to {}\n", utc_text(found.oldest_use), utc_text(found.newest_use));
  }
  if (found.unnamed_contents > 0) {
    fmt::print("{} of the contents, {}, belong to no key; 'cache evict' removes them\n", found.unnamed_contents,
               describe_size(found.unnamed_bytes));
  }
  if (found.leased > 0) fmt::print("{} of the contents are leased by running processes\n", found.leased);
  if (found.partials > 0) {
    fmt::print("{} fetches, {}, were broken off and can be resumed\n", found.partials,
               describe_size(found.partial_bytes));
  }
}

int stats(const cache_context& context, bool as_json) {
  const lockkit::mirror_cache cache = open_existing_cache(context);
  const lockkit::directory_statistics found = cache.statistics().own;
  const fetch_times times = times_of(cache.list());
  if (!as_json) {
    print_statistics(found, times);
    return done;
  }
  const auto time = [&](auto point) { return found.keys == 0 ? json() : json(utc_text(point)); };
  print_json({{"keys", found.keys},
              {"contents", found.contents},
              {"bytes", found.bytes},
              {"oldest", time(times.oldest)},
              {"newest", time(times.newest)},
              {"oldest_use", time(found.oldest_use)},
              {"newest_use", time(found.newest_use)},
              {"unnamed_contents", found.unnamed_contents},
              {"unnamed_bytes", found.unnamed_bytes},
              {"leased", found.leased},
              {"partials", found.partials},
              {"partial_bytes", found.partial_bytes}});
  return done;
}

}  // namespace

void add_cache_stats(CLI::App& cache, const shared_cache_context& context) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = cache.add_subcommand("stats", "How much is cached");
  sub->add_flag("--json", *as_json, "A JSON object");
  sub->footer(
      "--json: {keys, contents, bytes, oldest, newest, oldest_use, newest_use, unnamed_contents, unnamed_bytes, "
      "leased, "
      "partials,\npartial_bytes}; the times (of fetching, of use) are null in an empty cache.");
  sub->callback([context, as_json] { context->call.exit_code = stats(*context, *as_json); });
}

}  // namespace lockkit_command
