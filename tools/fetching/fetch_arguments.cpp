#include "fetch_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "policy.hpp"

namespace fetching {

transfer_options fetch_arguments::transfers() const {
  transfer_options options;
  options.connect_timeout = std::chrono::seconds(connect_timeout);
  options.stall_timeout = std::chrono::seconds(stall_timeout);
  options.attempts = attempts;
  options.ca_file = ca_file;
  return options;
}

lockkit::offline_mode fetch_arguments::offline_mode() const noexcept {
  if (offline) return lockkit::offline_mode::only;
  return stale_if_error ? lockkit::offline_mode::stale_if_error : lockkit::offline_mode::never;
}

void declare(CLI::App& command, fetch_arguments& given) {
  constexpr int day = 86400;
  command
      .add_option("--policy", given.policy,
                  "When to fetch: if-missing, always, never, if-stale (past the time that the server gave), "
                  "older-than=DURATION [if-missing]")
      ->check(is_policy())
      ->type_name("POLICY");
  CLI::Option* const offline =
      command.add_flag("--offline", given.offline, "Fetch nothing: what is cached, however old, or an error");
  command
      .add_flag("--stale-if-error", given.stale_if_error, "If fetching fails: what is cached, however old, and say so")
      ->excludes(offline);
  command.add_option("--sha256", given.sha256, "The digest that the content must have")
      ->transform(as_sha256())
      ->type_name("HEX");
  command.add_option("--attempts", given.attempts, "Attempts at a transfer that fails for a passing reason [5]")
      ->check(CLI::Range(1, 100).description(""))
      ->type_name("N");
  command.add_option("--connect-timeout", given.connect_timeout, "Until a server answers at all [20]")
      ->check(CLI::Range(1, day).description(""))
      ->type_name("SECONDS");
  command.add_option("--stall-timeout", given.stall_timeout, "Without a byte until a transfer counts as broken [30]")
      ->check(CLI::Range(1, day).description(""))
      ->type_name("SECONDS");
  command.add_option("--ca-file", given.ca_file, "Certificates to trust instead of the system's")
      ->check(CLI::ExistingFile.description(""))
      ->type_name("FILE");
}

lockkit::mirror_options mirror_arguments::options() const {
  lockkit::mirror_options how;
  how.link = link ? lockkit::mirror_link::hard_link : lockkit::mirror_link::isolated;
  how.overwrite = overwrite;
  return how;
}

void declare(CLI::App& command, mirror_arguments& given) {
  command.add_flag("--link", given.link, "Mirror by hard link: no copy, but read-only, and shared with the cache");
  command.add_flag("--overwrite", given.overwrite, "Replace a destination that holds something else");
}

const char* describe(lockkit::mirror_result result) noexcept {
  switch (result) {
    case lockkit::mirror_result::unchanged:
      return "was there already";
    case lockkit::mirror_result::cloned:
      return "cloned";
    case lockkit::mirror_result::hard_linked:
      return "linked";
    case lockkit::mirror_result::copied:
      break;
  }
  return "copied";
}

std::string describe_staleness(const lockkit::cache_entry& entry) {
  return fmt::format("could not be refreshed ({}); what was fetched {} ago is served", entry.stale_reason(),
                     describe_age(entry.fetched_at()));
}

std::string describe_age(std::chrono::system_clock::time_point fetched) {
  using namespace std::chrono;
  const auto age = duration_cast<seconds>(std::max(system_clock::now() - fetched, system_clock::duration::zero()));
  if (age >= 48h) return fmt::format("{} days", duration_cast<hours>(age).count() / 24);
  if (age >= 2h) return fmt::format("{} hours", duration_cast<hours>(age).count());
  if (age >= 2min) return fmt::format("{} minutes", duration_cast<minutes>(age).count());
  return fmt::format("{} s", age.count());
}

}  // namespace fetching
