/// lockkit claim --db DB list [POOL]
#include <fmt/format.h>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

struct claim_list_arguments {
  std::string pool;
  bool retired = false;
  bool json = false;
};

const char* name_of(lockkit::resource_state state) noexcept {
  switch (state) {
    case lockkit::resource_state::up:
      return "up";
    case lockkit::resource_state::drained:
      return "drained";
    case lockkit::resource_state::retired:
      break;
  }
  return "retired";
}

const char* name_of(lockkit::claim_life life) noexcept {
  switch (life) {
    case lockkit::claim_life::process:
      return "process";
    case lockkit::claim_life::job:
      return "job";
    case lockkit::claim_life::lease:
      return "lease";
    case lockkit::claim_life::released:
      break;
  }
  return "released";
}

json to_json(const lockkit::resource_status& each) {
  json row;
  put_text(row, "pool", each.what.pool);
  put_text(row, "name", each.what.name);
  row["state"] = name_of(each.state);
  row["capacity"] = each.what.capacity;
  row["used"] = each.used;
  put_text(row, "group", each.what.group);
  row["memory"] = each.what.memory;
  const json attributes = json::parse(each.what.attributes, nullptr, false);
  row["attributes"] = attributes.is_object() ? attributes : json::object();
  row["token"] = std::to_string(each.token.value);
  return row;
}

json to_json(const lockkit::claim_status& each) {
  json row;
  row["claim"] = each.key;
  put_text(row, "pool", each.pool);
  row["items"] = items_json(each.items);
  row["life"] = name_of(each.life);
  row["alive"] = each.alive;
  row["pid"] = each.pid;
  put_text(row, "host", each.host);
  put_text(row, "command", each.command);
  put_text(row, "label", each.label);
  row["since"] = utc_text(each.since);
  return row;
}

std::string text_of(const lockkit::resource_status& each) {
  return fmt::format("{} {}: {}, {} of {} claimed{}{}", printable(each.what.pool), printable(each.what.name),
                     name_of(each.state), each.used, each.what.capacity,
                     each.what.group.empty() ? "" : ", group " + printable(each.what.group),
                     each.what.memory == 0 ? "" : fmt::format(", {} bytes of memory", each.what.memory));
}

std::string text_of(const lockkit::claim_status& each) {
  std::string names;
  for (const auto& item : each.items) names += (names.empty() ? "" : ",") + printable(item.name);
  return fmt::format("claim {}: {} {}, pid {} on {} ({}){}, since {}{}", each.key, printable(each.pool), names,
                     each.pid, printable(each.host), printable(each.command),
                     each.label.empty() ? "" : fmt::format(" \"{}\"", printable(each.label)), utc_text(each.since),
                     each.alive ? "" : ", whose holder is gone");
}

template <class Row>
void put(json& rows, const Row& each, bool as_json) {
  if (as_json) {
    rows.push_back(to_json(each));
  } else {
    fmt::print("{}\n", text_of(each));
  }
}

int list(const claim_context& context, const claim_list_arguments& given) {
  const auto store = open_database(context.database, if_missing::refuse);
  json document = {{"resources", json::array()}, {"claims", json::array()}};
  for (const auto& each : store.list(given.pool, given.retired)) put(document["resources"], each, given.json);
  for (const auto& each : store.claims()) {
    if (given.pool.empty() || each.pool == given.pool) put(document["claims"], each, given.json);
  }
  if (given.json) print_json(document);
  return done;
}

constexpr const char* about_claim_list =
    "--json: {\"resources\": [{pool, name, state: up|drained|retired, capacity, used, group, memory, attributes, "
    "token}],\n"
    "\"claims\": [{claim, pool, items: [{name, group, token}], life: process|job|lease|released, alive, pid, host, "
    "command,\n"
    "label, since}]}. Tokens are digits in a string.";

}  // namespace

void add_claim_list(CLI::App& claim, const shared_claim_context& context) {
  auto given = std::make_shared<claim_list_arguments>();
  CLI::App* sub = claim.add_subcommand("list", "Resources, and who has claimed them");
  sub->add_option("pool", given->pool, "Of this pool only")->type_name("POOL");
  sub->add_flag("--retired", given->retired, "Retired resources, too");
  sub->add_flag("--json", given->json, "One JSON object");
  sub->footer(about_claim_list);
  sub->callback([context, given] { context->call.exit_code = list(*context, *given); });
}

}  // namespace lockkit_command
