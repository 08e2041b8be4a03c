#include <fmt/format.h>

#include "command.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

const char* advice_for(const lockkit::cache_damage& damage, bool repair) {
  if (damage.removed) return "removed; the next get fetches it again";
  return repair ? "not removed: that it is damaged is not proven" : "run 'verify --repair' to remove it";
}

void verify(context& shared, bool repair) {
  constexpr const char* label = "verify";
  lockkit::mirror_cache cache = shared.open_cache();
  lockkit::verify_options options;
  options.repair = repair;
  options.on_progress = [&](const lockkit::verify_progress& now) {
    shared.out.progress(label, {now.bytes, now.all_bytes});
  };
  const std::vector<lockkit::cache_damage> damages = cache.verify(options);
  shared.out.finish(label, false);
  bool remains = false;
  for (const lockkit::cache_damage& each : damages) {
    const std::string what = each.key.empty() ? "a record that can't be read" : each.key;
    shared.out.say(fmt::format("{}: damaged: {}; {}", what, each.error.message(), advice_for(each, repair)));
    remains = remains || !each.removed;
  }
  if (damages.empty()) shared.out.say(fmt::format("{}: everything cached is intact", cache.directory().native()));
  if (remains) shared.result = exit_status::bad_data;
}

}  // namespace

void add_verify(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("verify", "Read everything cached again and compare it with its digest");
  const auto repair = std::make_shared<bool>(false);
  command->add_flag("--repair", *repair, "Remove what is damaged, and what crashes and refreshes left behind");
  command->callback([repair, &shared] { verify(shared, *repair); });
}

}  // namespace dataset_cache
