/// lockkit task --db DB submit --key KEY
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "needs_options.hpp"
#include "options.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

struct submit_arguments {
  lockkit::new_task task;
  std::chrono::nanoseconds delay{0};
  bool payload_from_input = false;
  bool json = false;
};

std::string read_input() {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      throw failure(io_error, fmt::format("cannot read the payload from the standard input: {}; nothing was submitted",
                                          std::strerror(errno)));
    }
  }
}

int submit(const task_context& context, submit_arguments& given) {
  if (given.payload_from_input) given.task.payload = read_input();
  open_queue open(context, if_missing::make);
  const lockkit::submission result = open.tasks.submit(given.task);
  if (given.json) {
    print_json({{"task", result.id}, {"fresh", result.fresh}});
  } else {
    fmt::print("{}\n", result.id);
    if (!result.fresh) say("the key {} was submitted before; nothing was changed", in_quotes(given.task.key));
  }
  return done;
}

constexpr const char* about_task_submit =
    "Prints the task's number. A key that was submitted before, whatever became of its task, changes nothing and "
    "prints\n"
    "the same number. Without --pool the task needs no resources. --json: {task, fresh}.";

}  // namespace

void add_task_submit(CLI::App& task, const shared_task_context& context) {
  auto given = std::make_shared<submit_arguments>();
  lockkit::new_task& what = given->task;
  what.needs.life = lockkit::claim_life::released;  // see task_take.cpp
  CLI::App* sub = task.add_subcommand("submit", "Submit a task, once for ever by its key");
  sub->add_option("--key", what.key, "Its identity within the queue")->type_name("TEXT")->required();
  auto* payload = sub->add_option("--payload", what.payload, "Any text, for whoever takes it")->type_name("TEXT");
  sub->add_flag("--payload-from-input", given->payload_from_input, "The payload is the standard input")
      ->excludes(payload);
  sub->add_option("--pool", what.needs.pool, "Needs resources of this pool")->type_name("POOL");
  add_needs(*sub, what.needs);
  sub->add_option("--priority", what.priority, "The greater goes first [0]")->type_name("N");
  sub->add_option("--max-attempts", what.max_attempts, "How often it may be taken before a failure is final [1]")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000'000}).description(""))
      ->type_name("N");
  sub->add_option("--after", what.after, "Only when this task is done; may be repeated")->type_name("ID")->take_all();
  add_duration(*sub, "--delay", given->delay, "Not before so long from now");
  sub->add_flag("--json", given->json, "A JSON object instead of the number");
  sub->footer(about_task_submit);
  sub->callback([context, given] {
    const auto longest = std::chrono::nanoseconds(std::chrono::hours(24 * 365 * 100));
    given->task.delay = std::chrono::ceil<std::chrono::milliseconds>(std::min(given->delay, longest));
    context->call.exit_code = submit(*context, *given);
  });
}

}  // namespace lockkit_command
