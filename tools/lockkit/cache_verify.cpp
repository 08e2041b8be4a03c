/// lockkit cache --cache DIR verify
#include "cache_command.hpp"
#include "exit_code.hpp"
#include "fetching/console.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

struct verify_arguments {
  bool repair = false;
  bool json = false;
};

std::vector<lockkit::cache_damage> verify_with_progress(lockkit::mirror_cache& cache, bool repair) {
  constexpr const char* label = "lockkit: verify";
  fetching::console out;
  lockkit::verify_options options;
  options.repair = repair;
  options.on_progress = [&](const lockkit::verify_progress& now) { out.progress(label, {now.bytes, now.all_bytes}); };
  auto damages = cache.verify(options);
  out.finish(label, false);
  return damages;
}

const char* damage_advice(const lockkit::cache_damage& damage, bool repair) {
  if (damage.removed) return "removed; the next get fetches it again";
  return repair ? "not removed: that it is damaged is not proven" : "'verify --repair' removes it";
}

int verify(const cache_context& context, const verify_arguments& given) {
  lockkit::mirror_cache cache = open_existing_cache(context);
  const auto damages = verify_with_progress(cache, given.repair);
  json rows = json::array();
  bool remains = false;
  for (const lockkit::cache_damage& each : damages) {
    say("{} is damaged: {}; {}", in_quotes(each.key), each.error.message(), damage_advice(each, given.repair));
    json row;
    put_known(row, "key", each.key);
    row["error"] = each.error.message();
    row["removed"] = each.removed;
    rows.push_back(std::move(row));
    remains = remains || !each.removed;
  }
  if (given.json) print_json(rows);
  return remains ? bad_data : done;
}

}  // namespace

void add_cache_verify(CLI::App& cache, const shared_cache_context& context) {
  auto given = std::make_shared<verify_arguments>();
  CLI::App* sub =
      cache.add_subcommand("verify", "Read all that is cached and compare its digests; 65 if some is damaged");
  sub->add_flag("--repair", given->repair, "Remove what is damaged, and what crashes and refreshes left behind");
  sub->add_flag("--json", given->json, "A JSON array of the damages, beside the messages");
  sub->footer("--json: [{key, error, removed}]; key is null for a record that can't be read.");
  sub->callback([context, given] { context->call.exit_code = verify(*context, *given); });
}

}  // namespace lockkit_command
