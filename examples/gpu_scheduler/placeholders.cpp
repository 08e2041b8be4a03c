#include "placeholders.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "yaml_map.hpp"

namespace gpu_scheduler {
namespace {

/// Calls `value` for each placeholder; nullopt: a brace without its counterpart.
std::optional<std::string> replace(std::string_view word, const std::function<std::string(std::string_view)>& value) {
  std::string result;
  while (!word.empty()) {
    const char first = word.front();
    if (word.starts_with("{{") || word.starts_with("}}")) {
      result += first;
      word.remove_prefix(2);
    } else if (first == '{') {
      const std::size_t end = word.find('}');
      if (end == std::string_view::npos) return std::nullopt;
      result += value(word.substr(1, end - 1));
      word.remove_prefix(end + 1);
    } else if (first == '}') {
      return std::nullopt;
    } else {
      result += first;
      word.remove_prefix(1);
    }
  }
  return result;
}

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
  const auto& names = placeholder_names();
  std::string unknown;
  const auto check = [&](std::string_view name) {
    if (std::ranges::find(names, name) == names.end()) unknown = name;
    return std::string();
  };
  if (!replace(word, check)) return fmt::format("a brace without its counterpart in '{}'; write {{{{ for one", word);
  if (unknown.empty()) return {};
  return fmt::format("unknown placeholder '{{{}}}'; did you mean '{{{}}}'? There are: {}", unknown,
                     nearest(unknown, names), fmt::join(names, ", "));
}

std::vector<std::string> expand(const std::vector<std::string>& command, const job& what) {
  std::vector<std::string> result;
  result.reserve(command.size());
  for (const std::string& word : command) {
    result.push_back(replace(word, [&](std::string_view name) { return value_of(name, what); }).value_or(word));
  }
  return result;
}

}  // namespace gpu_scheduler
