/// lockkit cache --cache DIR list
#include <fmt/format.h>

#include <algorithm>

#include "cache_command.hpp"
#include "exit_code.hpp"
#include "fetching/console.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

json to_json(const lockkit::cache_record& each) {
  json row;
  put_text(row, "key", each.key);
  row["sha256"] = each.sha256;
  row["size"] = each.size;
  row["fetched_at"] = utc_text(each.fetched_at);
  return row;
}

std::string text_of(const lockkit::cache_record& each) {
  constexpr std::size_t enough = 12;
  return fmt::format("{:>10}  {}  {}  {}", fetching::describe_size(each.size), utc_text(each.fetched_at),
                     each.sha256.substr(0, enough), printable(each.key));
}

int list(const cache_context& context, bool as_json) {
  auto records = open_existing_cache(context).list();
  std::ranges::sort(records, {}, &lockkit::cache_record::key);
  json rows = json::array();
  for (const lockkit::cache_record& each : records) {
    if (as_json) {
      rows.push_back(to_json(each));
    } else {
      fmt::print("{}\n", text_of(each));
    }
  }
  if (as_json) print_json(rows);
  return done;
}

}  // namespace

void add_cache_list(CLI::App& cache, const shared_cache_context& context) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = cache.add_subcommand("list", "What is cached: size, when it was fetched, digest, key");
  sub->add_flag("--json", *as_json, "A JSON array");
  sub->footer("--json: [{key, sha256, size, fetched_at}], in the order of the keys.");
  sub->callback([context, as_json] { context->call.exit_code = list(*context, *as_json); });
}

}  // namespace lockkit_command
