#include <fmt/format.h>

#include "command.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

void remove(context& shared, const std::vector<std::string>& names) {
  const catalogue known = shared.load_catalogue();
  lockkit::mirror_cache cache = shared.open_cache();
  for (const std::string& name : names) {
    try {
      const data_set what = known.resolve(name);
      if (!cache.remove(what.url)) throw failure(exit_status::no_input, "it is not cached; 'list' shows what is");
      shared.out.say(fmt::format("{}: removed from the cache; mirrors stay", name));
    } catch (const std::exception& why) {
      shared.failed(name, why);
    }
  }
}

}  // namespace

void add_remove(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("remove", "Forget data sets; their mirrors stay");
  const auto names = std::make_shared<std::vector<std::string>>();
  command->add_option("NAME|URL", *names, "Names of the catalogue, or URLs")->required();
  command->callback([names, &shared] { remove(shared, *names); });
}

}  // namespace dataset_cache
