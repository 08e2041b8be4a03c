/// lockkit cache --cache DIR evict
#include <fmt/format.h>

#include "bytes.hpp"
#include "cache_command.hpp"
#include "exit_code.hpp"
#include "fetching/console.hpp"
#include "message.hpp"
#include "options.hpp"

namespace lockkit_command {
namespace {

const char* reason_text(lockkit::keep_reason why) {
  switch (why) {
    case lockkit::keep_reason::busy:
      return "busy";
    case lockkit::keep_reason::leased:
      return "leased";
    case lockkit::keep_reason::young:
      return "young";
    case lockkit::keep_reason::used:
      break;
  }
  return "used";
}

json eviction_row(const lockkit::cache_record& each) {
  json row;
  put_known(row, "key", each.key);
  row["sha256"] = each.sha256;
  row["size"] = each.size;
  row["last_used"] = utc_text(each.last_used);
  return row;
}

json to_json(const lockkit::eviction_result& result) {
  json evicted = json::array();
  for (const lockkit::cache_record& each : result.evicted) evicted.push_back(eviction_row(each));
  json kept = json::array();
  for (const lockkit::kept_content& each : result.kept) {
    json row = eviction_row(each.what);
    row["reason"] = reason_text(each.why);
    kept.push_back(std::move(row));
  }
  return {{"evicted", std::move(evicted)},
          {"kept", std::move(kept)},
          {"bytes_freed", result.bytes_freed},
          {"bytes_left", result.bytes_left}};
}

std::string name_of(const lockkit::cache_record& each) {
  return each.key.empty() ? "a content without a key" : printable(each.key);
}

void print_eviction(const lockkit::eviction_result& result, bool dry_run) {
  for (const lockkit::cache_record& each : result.evicted) {
    fmt::print("{:>10}  {}  {}\n", fetching::describe_size(each.size), utc_text(each.last_used), name_of(each));
  }
  for (const lockkit::kept_content& each : result.kept) {
    say("{} stays: {}", name_of(each.what), reason_text(each.why));
  }
  fmt::print("{} {}, {} left\n", fetching::describe_size(result.bytes_freed), dry_run ? "would be freed" : "freed",
             fetching::describe_size(result.bytes_left));
}

int evict(const cache_context& context, const lockkit::eviction_limits& limits, bool as_json) {
  const lockkit::eviction_result result = open_existing_cache(context).evict(limits);
  if (result.another_at_work) {
    say("another eviction of {} is at work; nothing was done here", in_quotes(context.directory));
    return not_in_time;
  }
  if (as_json) {
    print_json(to_json(result));
  } else {
    print_eviction(result, limits.dry_run);
  }
  return done;
}

}  // namespace

void add_cache_evict(CLI::App& cache, const shared_cache_context& context) {
  auto limits = std::make_shared<lockkit::eviction_limits>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = cache.add_subcommand("evict", "Give up what was not used for longest, until limits are kept");
  add_bytes(*sub, "--max-size", limits->max_bytes, "All contents together: 10GB, 10GiB [no limit]");
  add_duration(*sub, "--max-age", limits->max_age, "Since a key was used, such as 30d [never too old]");
  add_duration(*sub, "--grace", limits->grace, "What came less long ago stays: its path may be in use [1h]");
  sub->add_flag("--dry-run", limits->dry_run, "Only tell what would go");
  sub->add_flag("--json", *as_json, "A JSON object");
  sub->footer(
      "Readers notice nothing. What is being fetched (busy), leased by a running process, or was used meanwhile stays, "
      "and "
      "is told.\nContents that no key names go, too. 75: another eviction is at work.\n"
      "--json: {evicted: [{key, sha256, size, last_used}], kept: [the same with reason], bytes_freed, bytes_left}; key "
      "is "
      "null\nfor a content that no key names.");
  sub->callback([context, limits, as_json] { context->call.exit_code = evict(*context, *limits, *as_json); });
}

}  // namespace lockkit_command
