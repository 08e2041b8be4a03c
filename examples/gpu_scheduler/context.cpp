#include <fmt/format.h>

#include <charconv>

#include "command.hpp"

namespace gpu_scheduler {

void context::failed(const std::string& label, const std::exception& why) {
  const std::string_view text = why.what();
  const std::string prefix = text.find(label) == std::string_view::npos ? label + ": " : "";
  fmt::print(stderr, "{}{}\n", prefix, text);
  if (result == exit_status::ok) result = status_of(why);
}

lockkit::task_status find_case(const session& open, const std::string& given) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), id);
  const bool is_number = error == std::errc() && end == given.data() + given.size();
  std::optional<lockkit::task_status> found = is_number ? open.queue.find(id) : std::nullopt;
  const auto named = open.queue.find(std::string_view(given));
  if (found && named && found->id != named->id) {
    throw failure(exit_status::usage,
                  fmt::format("'{}' is the number of '{}' and the name of number {}: give the path of its directory",
                              given, found->key, named->id));
  }
  if (!found) found = named;
  if (!found) found = open.queue.find(std::string_view(key_of(open.settings, given)));
  if (!found) {
    throw failure(exit_status::no_input,
                  fmt::format("there is no case '{}'; 'gpu_scheduler status' shows those that there are", given));
  }
  return *found;
}

void do_with_cases(CLI::App& command, context& shared, case_action act) {
  const auto cases = std::make_shared<std::vector<std::string>>();
  command.add_option("CASE", *cases, "Number, name or directory")->required();
  command.callback([cases, act, &shared] {
    session open(shared);
    for (const std::string& each : *cases) {
      try {
        act(open, find_case(open, each));
      } catch (const std::exception& why) {
        shared.failed(each, why);
      }
    }
  });
}

}  // namespace gpu_scheduler
