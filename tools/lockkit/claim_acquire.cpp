/// lockkit claim --db DB acquire POOL --for-pid PID
#include <lockkit/error.hpp>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"
#include "needs_options.hpp"
#include "options.hpp"
#include "resident.hpp"

namespace lockkit_command {
namespace {

struct acquire_arguments {
  lockkit::claim_request request;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  resident_arguments resident;
  bool json = false;
};

class held_claim final : public holding {
 public:
  held_claim(lockkit::claim_store store, lockkit::claim held, bool json)
      : store_(std::move(store)), held_(std::move(held)), json_(json) {}

  [[nodiscard]] std::string answer() const override {
    if (!json_) return held_.key();
    const json row = {{"claim", held_.key()}, {"items", items_json(held_.items())}};
    return json_text(row);
  }
  [[nodiscard]] bool stands() override {
    std::error_code ec;
    return held_.verify(ec) || (ec && ec != lockkit::errc::database_replaced);
  }

 private:
  lockkit::claim_store store_;
  lockkit::claim held_;  // goes first
  bool json_;
};

std::unique_ptr<holding> take(const claim_context& context, const acquire_arguments& given, const std::stop_token& stop,
                              int& code) {
  auto store = open_database(context.database, if_missing::refuse);
  auto held = store.claim_until(given.request, lockkit::deadline::after(given.timeout), stop);
  if (held) return std::make_unique<held_claim>(std::move(store), std::move(*held), given.json);
  code = not_in_time;
  if (stop.stop_requested()) {
    say("the process {} ended before anything of the pool {} was free", given.resident.process,
        in_quotes(given.request.pool));
  } else {
    say("no claim of {} in the pool {} within {}; 'lockkit claim list' shows who has what", given.request.count,
        in_quotes(given.request.pool), duration_text(given.timeout));
  }
  return nullptr;
}

int acquire(const claim_context& context, const acquire_arguments& given) {
  return stay_behind(given.resident,
                     [&](const std::stop_token& stop, int& code) { return take(context, given, stop, code); });
}

constexpr const char* about_claim_acquire =
    "Prints the claim, for release and for LOCKKIT_CLAIM; with --json {claim, items: [{name, group, token}]}. A "
    "process of\n"
    "lockkit stays behind and holds it until PID has ended, the time of --for is over, or 'claim release'; what PID "
    "leaves\n"
    "running does not keep it. kill -9 of that process ends the claim, too.";

}  // namespace

void add_claim_acquire(CLI::App& claim, const shared_claim_context& context) {
  auto given = std::make_shared<acquire_arguments>();
  CLI::App* sub = claim.add_subcommand("acquire", "Claim resources for as long as a process lives");
  sub->add_option("pool", given->request.pool, "Of which pool")->type_name("POOL")->required();
  add_needs(*sub, given->request);
  add_resident(*sub, given->resident);
  add_duration(*sub, "--timeout", given->timeout, "How long to wait; 0 tries once [never give up]");
  sub->add_flag("--json", given->json, "A JSON object instead of the claim");
  sub->footer(about_claim_acquire);
  sub->callback([context, given] {
    if (!given->resident.is_wanted()) throw CLI::RequiredError("--for-pid or --for");
    context->call.exit_code = acquire(*context, *given);
  });
}

}  // namespace lockkit_command
