/// lockkit claim --db DB …
#include "claim_command.hpp"
#include "options.hpp"
#include "store_subcommands.hpp"

namespace lockkit_command {
namespace {

constexpr const char* about_claim =
    "The database is made by 'claim add'. Names are 1 to 255 bytes of UTF-8 without commas and control characters. A "
    "claim\n"
    "is never had twice, whoever is killed; each has a token, greater with each change of holder, by which what it "
    "protects\n"
    "can refuse a holder that was overtaken.";

}  // namespace

void add_claim(CLI::App& sub, invocation& call) {
  const auto context = std::make_shared<claim_context>(claim_context{{}, call});
  sub.require_subcommand(1);
  sub.footer("");  // each of those below would have it, too
  add_path(sub, "--db", context->database.path, "The database (or LOCKKIT_DB)")
      ->type_name("FILE")
      ->envname("LOCKKIT_DB")
      ->required();
  sub.add_option("--label", context->database.label, "What others see as the holder")->type_name("TEXT");
  add_claim_add(sub, context);
  add_claim_list(sub, context);
  add_claim_run(sub, context);
  add_claim_acquire(sub, context);
  add_claim_release(sub, context);
  add_claim_drain(sub, context);
  add_claim_events(sub, context);
  sub.footer(about_claim);
  for (CLI::App* each : sub.get_subcommands({})) each->fallthrough();  // --db may stand behind the name, too
}

}  // namespace lockkit_command
