/// lockkit claim --db DB drain POOL NAME
#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

struct drain_arguments {
  std::string pool;
  std::string name;
  bool undo = false;
  bool retire = false;
};

int drain(const claim_context& context, const drain_arguments& given) {
  auto store = open_database(context.database, if_missing::refuse);
  const auto state = given.undo     ? lockkit::resource_state::up
                     : given.retire ? lockkit::resource_state::retired
                                    : lockkit::resource_state::drained;
  if (!store.set_state(given.pool, given.name, state)) say("{} was so already", in_quotes(given.name));
  return done;
}

}  // namespace

void add_claim_drain(CLI::App& claim, const shared_claim_context& context) {
  auto given = std::make_shared<drain_arguments>();
  CLI::App* sub = claim.add_subcommand("drain", "Grant a resource to nobody any more; who has it keeps it");
  sub->add_option("pool", given->pool, "Its pool")->type_name("POOL")->required();
  sub->add_option("name", given->name, "Which one")->type_name("NAME")->required();
  auto* undo = sub->add_flag("--undo", given->undo, "Grant it again");
  sub->add_flag("--retire", given->retire, "For good; it leaves the list once it is free")->excludes(undo);
  sub->callback([context, given] { context->call.exit_code = drain(*context, *given); });
}

}  // namespace lockkit_command
