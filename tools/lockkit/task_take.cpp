/// lockkit task --db DB take
///
/// What keeps an attempt when `take` has ended, which is up to the taker:
///  1. --for-pid, --for: a resident holds it. At the end of that process, or of that time, a task that nobody has reported
///     about is ready again (or failed, if it has no attempts left).
///  2. --unattended: nothing that lives. The task is taken straight into "submitting", and its claim ends with a report
///     alone; nobody gets it a second time by itself. From then on it counts as unknown: only a report, or a person, says
///     what became of it. Needs a claim that only a release ends, which `submit` asks for; a task that another program
///     submitted otherwise is handed back.
///  3. A lease, which another program may have asked for, is renewed by the resident.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include <lockkit/error.hpp>

#include "claim_command.hpp"
#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "options.hpp"
#include "resident.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct take_arguments {
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  resident_arguments resident;
  bool unattended = false;
  bool in_order = false;
  bool json = false;

  [[nodiscard]] lockkit::take_options options() const {
    lockkit::take_options how{.submitting = unattended};
    if (in_order) how.look_at = 1;
    return how;
  }
};

std::string text_of(const lockkit::taken_task& taken, bool as_json) {
  if (!as_json) return attempt_text(taken.ref);
  json row = {{"attempt", attempt_text(taken.ref)}, {"task", taken.ref.id}};
  put_text(row, "key", taken.key);
  put_text(row, "payload", taken.payload);
  row["items"] = items_json(taken.held.items());
  return json_text(row);
}

class held_task final : public holding {
 public:
  held_task(std::unique_ptr<open_queue> open, lockkit::taken_task taken, bool json)
      : open_(std::move(open)), taken_(std::move(taken)), json_(json) {
    const auto task = open_->tasks.find(taken_.ref.id);
    if (task && task->needs.life == lockkit::claim_life::lease) interval_ = std::min(interval_, task->needs.lease / 3);
  }

  [[nodiscard]] std::string answer() const override { return text_of(taken_, json_); }
  [[nodiscard]] bool stands() override {
    std::error_code ec;
    return taken_.held.renew(ec) || (ec && ec != lockkit::errc::database_replaced);
  }
  [[nodiscard]] std::chrono::milliseconds interval() const override { return interval_; }

 private:
  std::unique_ptr<open_queue> open_;
  lockkit::taken_task taken_;  // goes first
  bool json_;
  std::chrono::milliseconds interval_ = holding::interval();
};

int say_nothing_ready(const task_context& context, const take_arguments& given) {
  say("no task of the queue {} could be taken within {}; 'lockkit task why' says what one waits for",
      in_quotes(context.queue), duration_text(given.timeout));
  return not_in_time;
}

std::unique_ptr<holding> take(const task_context& context, const take_arguments& given, const std::stop_token& stop,
                              int& code) {
  auto open = std::make_unique<open_queue>(context, if_missing::refuse);
  auto taken = open->tasks.take_until(given.options(), lockkit::deadline::after(given.timeout), stop);
  if (taken) return std::make_unique<held_task>(std::move(open), std::move(*taken), given.json);
  code = say_nothing_ready(context, given);
  if (stop.stop_requested()) say("the process {} ended meanwhile", given.resident.process);
  return nullptr;
}

/// Rule 2.
void require_lasting_claim(open_queue& open, const lockkit::taken_task& taken) {
  const auto task = open.tasks.find(taken.ref.id);
  if (!task || taken.held.items().empty() || task->needs.life == lockkit::claim_life::released) return;
  open.tasks.hand_back(taken.ref);
  throw failure(bad_data, fmt::format("the task {} was submitted with a claim that does not outlive its taker; take it "
                                      "with --for-pid. It was handed back",
                                      taken.ref.id));
}

int take_unattended(const task_context& context, const take_arguments& given) {
  open_queue open(context, if_missing::refuse);
  auto taken = open.tasks.take_until(given.options(), lockkit::deadline::after(given.timeout));
  if (!taken) return say_nothing_ready(context, given);
  require_lasting_claim(open, *taken);
  ::signal(SIGPIPE, SIG_IGN);  // nobody who reads would end us here, and nobody would know of the attempt
  const std::string answer = text_of(*taken, given.json) + "\n";
  if (std::fputs(answer.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {  // the frame says so
    open.tasks.hand_back(taken->ref);
    return io_error;
  }
  return done;  // the claim's object goes: the task is unknown from here on, and keeps its claim
}

int take(const task_context& context, const take_arguments& given) {
  if (given.unattended) return take_unattended(context, given);
  return stay_behind(given.resident,
                     [&](const std::stop_token& stop, int& code) { return take(context, given, stop, code); });
}

constexpr const char* about_task_take =
    "Takes the first task that is ready and can have all it needs, together with that, and prints the attempt: for "
    "finish,\n"
    "fail and show. --for-pid: a process of lockkit stays behind and keeps the attempt until PID has ended or the "
    "attempt\n"
    "was reported about; a task not reported about by then is ready again, or failed if its attempts are used up. "
    "--for:\n"
    "the same, for a time. --unattended: nothing keeps it but the database; nobody takes the task again before "
    "somebody\n"
    "reports about it, also if that never happens; until then it is shown as unknown.\n"
    "--json: {attempt, task, key, payload, items: [{name, group, token}]}.";

}  // namespace

void add_task_take(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<take_arguments>();
  CLI::App* sub = task.add_subcommand("take", "Take the next task, with the resources that it needs");
  add_resident(*sub, given->resident);
  sub->add_flag("--unattended", given->unattended, "It is kept until somebody reports about it");
  add_duration(*sub, "--timeout", given->timeout, "How long to wait; 0 tries once [never give up]");
  sub->add_flag("--in-order", given->in_order, "Only the first one, even if others could have what they need");
  sub->add_flag("--json", given->json, "A JSON object instead of the attempt");
  sub->footer(about_task_take);
  sub->callback([context, given] {
    if (given->unattended == given->resident.is_wanted()) {
      throw CLI::RequiredError("either --for-pid or --for, or --unattended");
    }
    context->call.exit_code = take(*context, *given);
  });
}

}  // namespace lockkit_command
