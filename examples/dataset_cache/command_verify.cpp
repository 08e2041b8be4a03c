#include <fmt/format.h>

#include "command.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

void verify(context& shared, bool repair) {
  lockkit::mirror_cache cache = shared.open_cache();
  const std::vector<lockkit::cache_damage> damages = cache.verify(repair);
  const char* done = repair ? "removed; the next get fetches it again" : "run 'verify --repair' to remove it";
  for (const lockkit::cache_damage& each : damages) {
    shared.out.say(fmt::format("{}: damaged: {}; {}", each.key, each.error.message(), done));
  }
  if (damages.empty()) shared.out.say(fmt::format("{}: everything cached is intact", cache.directory().native()));
  if (!damages.empty() && !repair) shared.result = exit_status::bad_data;
}

}  // namespace

void add_verify(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("verify", "Read everything cached again and compare it with its digest");
  const auto repair = std::make_shared<bool>(false);
  command->add_flag("--repair", *repair, "Remove what is damaged, and what crashes left behind");
  command->callback([repair, &shared] { verify(shared, *repair); });
}

}  // namespace dataset_cache
