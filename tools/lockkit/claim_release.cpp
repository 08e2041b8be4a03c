/// lockkit claim --db DB release CLAIM
#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

int release(const claim_context& context, const std::string& key) {
  auto store = open_database(context.database, if_missing::refuse);
  if (store.end_claim(key)) return done;
  say("there is no claim {} in {}: it was released, or its holder died", in_quotes(key), in_quotes(store.path()));
  return answer_is_no;
}

}  // namespace

void add_claim_release(CLI::App& claim, const shared_claim_context& context) {
  auto key = std::make_shared<std::string>();
  CLI::App* sub = claim.add_subcommand("release", "End a claim, whoever has it; exit code 1 if there is none");
  sub->add_option("claim", *key, "As acquire prints it, or LOCKKIT_CLAIM")->type_name("CLAIM")->required();
  sub->callback([context, key] { context->call.exit_code = release(*context, *key); });
}

}  // namespace lockkit_command
