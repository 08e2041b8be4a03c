#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "command.hpp"

namespace gpu_scheduler {
namespace {

using lockkit::resource_state;
using lockkit::resource_status;

constexpr std::array states = {"up", "drained", "retired"};

std::string state_of(const resource_status& each) {
  return states.at(static_cast<std::size_t>(each.state));
}

void print_table(const std::vector<resource_status>& all) {
  fmt::print("{:<44} {:<12} {:>9} {:<8} {:>5}  {}\n", "name", "group", "memory", "state", "used", "attributes");
  for (const resource_status& each : all) {
    fmt::print("{:<44} {:<12} {:>5.1f} GiB {:<8} {:>2}/{:<2}  {}\n", each.what.name, each.what.group,
               static_cast<double>(each.what.memory) / (1ULL << 30U), state_of(each), each.used, each.what.capacity,
               each.what.attributes);
  }
}

void print_json(const std::vector<resource_status>& all) {
  nlohmann::json rows = nlohmann::json::array();
  for (const resource_status& each : all) {
    rows.push_back({{"name", each.what.name},
                    {"group", each.what.group},
                    {"memory", each.what.memory},
                    {"capacity", each.what.capacity},
                    {"used", each.used},
                    {"state", state_of(each)},
                    {"attributes", nlohmann::json::parse(each.what.attributes, nullptr, false)}});
  }
  fmt::print("{}\n", rows.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

struct resources_arguments {
  bool json = false;
  bool all = false;
  std::string drain;
  std::string restore;
};

void run(const resources_arguments& given, const context& shared) {
  session open(shared);
  const std::string& pool = open.settings.pool;
  if (!given.drain.empty()) open.store.set_state(pool, given.drain, resource_state::drained);
  if (!given.restore.empty()) open.store.set_state(pool, given.restore, resource_state::up);
  const auto found = open.store.list(pool, given.all);
  given.json ? print_json(found) : print_table(found);
}

}  // namespace

void add_resources(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("resources", "Show the GPUs; take one out of use, or into it again");
  const auto given = std::make_shared<resources_arguments>();
  command->add_flag("--json", given->json);
  command->add_flag("--all", given->all, "Retired ones, too");
  command->add_option("--drain", given->drain, "No new case on this one; the one that runs there stays");
  command->add_option("--restore", given->restore);
  command->callback([given, &shared] { run(*given, shared); });
}

}  // namespace gpu_scheduler
