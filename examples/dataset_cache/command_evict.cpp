#include <fmt/format.h>

#include "command.hpp"
#include "fetching/fetch_arguments.hpp"
#include "fetching/policy.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

struct evict_arguments {
  lockkit::eviction_limits limits;
  std::string max_age;
  std::string grace;
};

const char* why_it_stays(lockkit::keep_reason why) {
  switch (why) {
    case lockkit::keep_reason::busy:
      return "it is being fetched";
    case lockkit::keep_reason::leased:
      return "a running process needs its path";
    case lockkit::keep_reason::young:
      return "it came within the grace time";
    case lockkit::keep_reason::used:
      break;
  }
  return "it was used just now";
}

std::string label_of(const lockkit::cache_record& what) {
  return what.key.empty() ? "an old version without a name" : what.key;
}

void evict(context& shared, evict_arguments given) {
  if (!given.max_age.empty()) given.limits.max_age = parse_duration(given.max_age);
  if (!given.grace.empty()) given.limits.grace = parse_duration(given.grace);
  lockkit::mirror_cache cache = shared.open_cache();
  const lockkit::eviction_result result = cache.evict(given.limits);
  if (result.another_at_work) {
    throw failure(exit_status::try_later, "another eviction of this cache is at work; nothing was done here");
  }
  const char* verb = given.limits.dry_run ? "would go" : "evicted";
  for (const lockkit::cache_record& each : result.evicted) {
    shared.out.say(fmt::format("{}: {} ({}, last used {} ago)", label_of(each), verb, describe_size(each.size),
                               describe_age(each.last_used)));
  }
  for (const lockkit::kept_content& each : result.kept) {
    shared.out.say(fmt::format("{}: stays, since {}", label_of(each.what), why_it_stays(each.why)));
  }
  shared.out.say(fmt::format("{}: {} {}, {} left", cache.directory().native(), describe_size(result.bytes_freed),
                             given.limits.dry_run ? "would be freed" : "freed", describe_size(result.bytes_left)));
}

}  // namespace

void add_evict(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("evict", "Give up what was not used for longest, until limits are kept");
  const auto given = std::make_shared<evict_arguments>();
  command->add_option("--max-size", given->limits.max_bytes, "All contents together: 500MB, 10G, 10GiB")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE");
  command->add_option("--max-age", given->max_age, "Since a data set was used last, such as 30d")
      ->check(is_duration())
      ->type_name("DURATION");
  command->add_option("--grace", given->grace, "What came less long ago stays: its path may be in use [1h]")
      ->check(is_duration())
      ->type_name("DURATION");
  command->add_flag("--dry-run", given->limits.dry_run, "Only tell what would go");
  command->callback([given, &shared] { evict(shared, *given); });
}

}  // namespace dataset_cache
