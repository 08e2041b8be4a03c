#include "placeholders.hpp"

#include "tooling/braces.hpp"

namespace gpu_scheduler {
namespace {

std::string value_of(std::string_view name, const job& what) {
  if (name == "case") return what.directory.native();
  if (name == "name") return what.name;
  if (name == "gpu_uuid") return names_of(what.items);
  if (name == "gpus") return std::to_string(what.items.size());
  if (name == "group") return what.items.empty() ? "" : what.items.front().group;
  if (name == "task") return std::to_string(what.ref.id);
  return std::to_string(what.ref.attempt);
}

}  // namespace

std::string names_of(const std::vector<lockkit::claimed_item>& items) {
  std::string result;
  for (const lockkit::claimed_item& each : items) result += (result.empty() ? "" : ",") + each.name;
  return result;
}

const std::vector<std::string_view>& placeholder_names() {
  static const std::vector<std::string_view> names = {"case", "name", "gpu_uuid", "gpus", "group", "task", "attempt"};
  return names;
}

std::string problem_with(std::string_view word) {
  return tooling::problem_with_braces(word, placeholder_names());
}

std::vector<std::string> expand(const std::vector<std::string>& words, const job& what) {
  return tooling::expand_braces(words, [&](std::string_view name) { return value_of(name, what); });
}

}  // namespace gpu_scheduler
