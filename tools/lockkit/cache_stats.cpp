/// lockkit cache --cache DIR stats
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cache_command.hpp"
#include "exit_code.hpp"
#include "fetching/console.hpp"

namespace lockkit_command {
namespace {

struct totals {
  std::size_t keys = 0;
  std::size_t contents = 0;  ///< keys may share one
  std::uint64_t bytes = 0;   ///< of the contents
  std::chrono::system_clock::time_point oldest{};
  std::chrono::system_clock::time_point newest{};
};

totals count(const std::vector<lockkit::cache_record>& records) {
  totals sum;
  std::set<std::string> seen;
  for (const lockkit::cache_record& each : records) {
    sum.oldest = ++sum.keys == 1 ? each.fetched_at : std::min(sum.oldest, each.fetched_at);
    sum.newest = std::max(sum.newest, each.fetched_at);
    if (seen.insert(each.sha256).second) sum.bytes += each.size;
  }
  sum.contents = seen.size();
  return sum;
}

int stats(const cache_context& context, bool as_json) {
  const totals sum = count(open_existing_cache(context).list());
  const auto time = [&](auto point) { return sum.keys == 0 ? json() : json(utc_text(point)); };
  if (as_json) {
    print_json({{"keys", sum.keys},
                {"contents", sum.contents},
                {"bytes", sum.bytes},
                {"oldest", time(sum.oldest)},
                {"newest", time(sum.newest)}});
  } else {
    fmt::print("{} keys, {} contents, {}\n", sum.keys, sum.contents, fetching::describe_size(sum.bytes));
    if (sum.keys > 0) fmt::print("fetched from {} to {}\n", utc_text(sum.oldest), utc_text(sum.newest));
  }
  return done;
}

}  // namespace

void add_cache_stats(CLI::App& cache, const shared_cache_context& context) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = cache.add_subcommand("stats", "How much is cached");
  sub->add_flag("--json", *as_json, "A JSON object");
  sub->footer("--json: {keys, contents, bytes, oldest, newest}; the times are null in an empty cache.");
  sub->callback([context, as_json] { context->call.exit_code = stats(*context, *as_json); });
}

}  // namespace lockkit_command
