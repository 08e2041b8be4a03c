/// lockkit claim --db DB events
#include <fmt/format.h>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

struct events_arguments {
  std::uint64_t after = 0;
  std::size_t limit = 1000;
  bool json = false;
};

json to_json(const lockkit::claim_event& each) {
  json row;
  row["id"] = each.id;
  row["at"] = utc_text(each.at);
  row["kind"] = each.kind;
  put_text(row, "pool", each.pool);
  put_text(row, "name", each.name);
  row["claim"] = each.claim_key.empty() ? json() : json(each.claim_key);
  row["token"] = each.token.value == 0 ? json() : json(std::to_string(each.token.value));
  row["pid"] = each.pid == 0 ? json() : json(each.pid);
  row["task"] = each.task == 0 ? json() : json(each.task);
  return row;
}

std::string text_of(const lockkit::claim_event& each) {
  std::string text =
      fmt::format("{} {} {} {} {}", each.id, utc_text(each.at), each.kind, printable(each.pool), printable(each.name));
  if (each.task != 0) text += fmt::format(", task {}", each.task);
  if (!each.claim_key.empty()) text += fmt::format(", claim {}, token {}", each.claim_key, each.token.value);
  if (each.pid != 0) text += fmt::format(", pid {}", each.pid);
  return text;
}

int events(const claim_context& context, const events_arguments& given) {
  const auto store = open_database(context.database, if_missing::refuse);
  json rows = json::array();
  for (const auto& each : store.events(given.after, given.limit)) {
    if (given.json) {
      rows.push_back(to_json(each));
    } else {
      fmt::print("{}\n", text_of(each));
    }
  }
  if (given.json) print_json(rows);
  return done;
}

constexpr const char* about_claim_events =
    "--json: [{id, at, kind, pool, name, claim, token, pid, task}]; null where it does not apply. Kinds: added, "
    "drained,\n"
    "restored, retired, claimed, released, died, expired, ended; of tasks, with their queue as pool and their key as "
    "name:\n"
    "submitted, taken, submitting, running, done, failed, cancelled, handed back, lost, unknown, cancel wanted, "
    "retried,\n"
    "removed.";

}  // namespace

void add_claim_events(CLI::App& claim, const shared_claim_context& context) {
  auto given = std::make_shared<events_arguments>();
  CLI::App* sub = claim.add_subcommand("events", "What happened, oldest first");
  sub->add_option("--after", given->after, "Only those behind this id: a page at a time")->type_name("ID");
  sub->add_option("--limit", given->limit, "At most so many [1000]")->type_name("N");
  sub->add_flag("--json", given->json, "A JSON array");
  sub->footer(about_claim_events);
  sub->callback([context, given] { context->call.exit_code = events(*context, *given); });
}

}  // namespace lockkit_command
