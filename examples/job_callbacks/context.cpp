#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include <lockkit/directory.hpp>

#include "job_callbacks/command.hpp"

namespace job_callbacks {
namespace {

/// Its own, which the database and the lock lie in.
workflow with_state(workflow read) {
  lockkit::ensure_writable_directory(read.state);
  return read;
}

}  // namespace

void context::failed(const std::exception& why) {
  fmt::print(stderr, "job_callbacks: {}\n", why.what());
  result = tooling::status_of(why);
}

session::session(workflow read)
    : what(with_state(std::move(read))),
      store(what.database(), {.label = "job_callbacks"}),
      queue(store, queue_name),
      managing(what, store, queue, say) {}

void declare(CLI::App& command, attempt_arguments& given) {
  command.add_option("--state", given.state)->required();
  command.add_option("--task", given.ref.id)->required();
  command.add_option("--attempt", given.ref.attempt)->required();
  command.add_option("--claim", given.ref.claim_key)->required();
}

void say(const std::string& text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  fmt::print(stderr, "{:%Y-%m-%dT%H:%M:%S}Z {}\n", now, text);
}

lockkit::task_status find_step(const lockkit::task_queue& queue, const std::string& given) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), id);
  const bool is_number = error == std::errc() && end == given.data() + given.size();
  auto found = is_number ? queue.find(id) : std::nullopt;
  const std::size_t slash = given.find('/');
  if (!found && slash != std::string::npos) {
    found = queue.find(std::string_view(key_of(given.substr(0, slash), given.substr(slash + 1))));
    if (!found) found = queue.find(std::string_view(given));
  }
  if (!found) {
    throw failure(exit_status::no_input,
                  fmt::format("there is no step '{}'; 'job_callbacks status' shows those that there are", given));
  }
  return *found;
}

}  // namespace job_callbacks
