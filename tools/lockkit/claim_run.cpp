/// lockkit claim --db DB run POOL -- COMMAND…
///
///  1. The claim stands until the last process that has its mark has ended (claim_life::job). COMMAND inherits the mark,
///     and so does what it starts: kill -9 of ours, or of COMMAND, frees nothing that is still in use.
///  2. We keep a copy while COMMAND runs: a COMMAND that closes descriptors it does not know keeps its claim.
///  3. When COMMAND has ended and has left no process behind, the claim is released. Otherwise it is let go: it then ends
///     with what was left behind. Orphans become our children for that (subreaper), so that we know of all of them.
///  4. No signal is blocked before the claim is had: whoever ends us while we wait leaves nothing, which is the kernel's
///     doing.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <lockkit/error.hpp>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "foreground_command.hpp"
#include "message.hpp"
#include "needs_options.hpp"
#include "options.hpp"
#include "positionals.hpp"

namespace lockkit_command {
namespace {

struct run_arguments {
  lockkit::claim_request request;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  std::vector<std::string> command;
};

/// A copy of the mark that programs inherit, under a number that scripts do not use for their own ("exec 3>...").
class inherited_mark {
 public:
  explicit inherited_mark(int mark) : copy_(::fcntl(mark, F_DUPFD, lowest)) {
    if (copy_ < 0) copy_ = ::fcntl(mark, F_DUPFD, STDERR_FILENO + 1);  // few descriptors are allowed
    if (copy_ < 0) throw std::system_error(errno, std::system_category(), "cannot hand a claim's mark to a command");
  }
  ~inherited_mark() { ::close(copy_); }
  inherited_mark(const inherited_mark&) = delete;
  inherited_mark& operator=(const inherited_mark&) = delete;
  [[nodiscard]] int number() const noexcept { return copy_; }

 private:
  static constexpr int lowest = 64;
  int copy_;
};

void tell(const lockkit::claim& held, const inherited_mark& mark) {
  const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
  set("LOCKKIT_CLAIM", held.key());
  set("LOCKKIT_RESOURCES", joined_names(held.items()));
  set("LOCKKIT_TOKENS", joined_tokens(held.items()));
  set("LOCKKIT_CLAIM_FD", std::to_string(mark.number()));
}

int run_with(const lockkit::claim& held, const std::vector<std::string>& arguments) {
  foreground_command command;
  const inherited_mark mark(held.life_descriptor());
  tell(held, mark);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  return command.run(arguments);
}

/// Whether any child of ours lives; reaps those that have ended.
bool left_somebody() noexcept {
  pid_t found = 0;
  do {
    found = ::waitpid(-1, nullptr, WNOHANG);
  } while (found > 0 || (found < 0 && errno == EINTR));
  return found == 0;
}

/// Rule 3. COMMAND has run: its exit code is what counts.
void end(lockkit::claim& held) noexcept {
  std::error_code ec;
  if (left_somebody()) {
    held.detach();
    return;
  }
  held.release(ec);
  if (ec == lockkit::errc::claim_lost) {
    say("the claim {} was ended by somebody else while the command ran; others may have had its resources", held.key());
  } else if (ec) {
    say("cannot release the claim {}: {}; it ends with this process", held.key(), ec.message());
  }
}

int run(const claim_context& context, const run_arguments& given) {
  auto store = open_database(context.database, if_missing::refuse);
  auto held = store.claim_until(given.request, lockkit::deadline::after(given.timeout));
  if (!held) {
    say("no claim of {} in the pool {} within {}; 'lockkit claim list' shows who has what", given.request.count,
        in_quotes(given.request.pool), duration_text(given.timeout));
    return not_in_time;
  }
  const int code = run_with(*held, given.command);
  end(*held);
  return code;
}

constexpr const char* about_claim_run =
    "COMMAND runs, without a shell, while it has the resources. It sees LOCKKIT_CLAIM (the claim), LOCKKIT_RESOURCES "
    "and\n"
    "LOCKKIT_TOKENS (names and tokens, separated by commas, in the same order). The claim stands as long as COMMAND "
    "runs\n"
    "and as long as any process lives that COMMAND left behind with the descriptor LOCKKIT_CLAIM_FD, which all "
    "inherit;\n"
    "kill -9 of lockkit frees nothing while COMMAND runs. A daemon that closes all descriptors, or that descriptor, "
    "does\n"
    "not keep the claim. Waits in the order of arrival. A POOL that begins with '-': run -- POOL -- COMMAND.";

}  // namespace

void add_claim_run(CLI::App& claim, const shared_claim_context& context) {
  auto given = std::make_shared<run_arguments>();
  given->request.life = lockkit::claim_life::job;
  CLI::App* sub = claim.add_subcommand("run", "Run a command with resources of a pool");
  CLI::Option* const pool = sub->add_option("pool", given->request.pool, "Of which pool")->type_name("POOL");
  add_needs(*sub, given->request);
  add_duration(*sub, "--timeout", given->timeout, "How long to wait; 0 tries once [never give up]");
  sub->footer(about_claim_run);
  sub->callback([context, given, pool] {
    given->command = context->call.command;
    complete({{pool, &given->request.pool}}, given->command);
    if (given->command.empty()) throw CLI::RequiredError("a command after '--'");
    context->call.exit_code = run(*context, *given);
  });
}

}  // namespace lockkit_command
