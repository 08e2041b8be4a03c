/// lockkit cache --cache DIR verify
#include "cache_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

struct verify_arguments {
  bool repair = false;
  bool json = false;
};

int verify(const cache_context& context, const verify_arguments& given) {
  lockkit::mirror_cache cache = open_existing_cache(context);
  const auto damages = cache.verify(given.repair);
  const char* advice = given.repair ? "removed; the next get fetches it again" : "'verify --repair' removes it";
  json rows = json::array();
  for (const lockkit::cache_damage& each : damages) {
    say("{} is damaged: {}; {}", in_quotes(each.key), each.error.message(), advice);
    json row;
    put_known(row, "key", each.key);
    row["error"] = each.error.message();
    rows.push_back(std::move(row));
  }
  if (given.json) print_json(rows);
  return damages.empty() || given.repair ? done : bad_data;
}

}  // namespace

void add_cache_verify(CLI::App& cache, const shared_cache_context& context) {
  auto given = std::make_shared<verify_arguments>();
  CLI::App* sub =
      cache.add_subcommand("verify", "Read all that is cached and compare its digests; 65 if some is damaged");
  sub->add_flag("--repair", given->repair, "Remove what is damaged, and what crashes and refreshes left behind");
  sub->add_flag("--json", given->json, "A JSON array of the damages, beside the messages");
  sub->footer("--json: [{key, error}]; key is null for a record that can't be read.");
  sub->callback([context, given] { context->call.exit_code = verify(*context, *given); });
}

}  // namespace lockkit_command
