#include "tooling/braces.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tooling/yaml_map.hpp"

namespace tooling {

std::optional<std::string> replace_braces(std::string_view word, const brace_value& value) {
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

std::string problem_with_braces(std::string_view word, const std::vector<std::string_view>& names) {
  std::string unknown;
  bool has_unknown = false;
  const auto check = [&](std::string_view name) {
    if (std::ranges::find(names, name) == names.end()) {
      unknown = name;
      has_unknown = true;
    }
    return std::string();
  };
  if (!replace_braces(word, check)) {
    return fmt::format("a brace without its counterpart in '{}'; write {{{{ for one", word);
  }
  if (!has_unknown) return {};
  return fmt::format("unknown placeholder '{{{}}}'; did you mean '{{{}}}'? There are: {}", unknown,
                     nearest(unknown, names), fmt::join(names, ", "));
}

std::vector<std::string> expand_braces(const std::vector<std::string>& words, const brace_value& value) {
  std::vector<std::string> result;
  result.reserve(words.size());
  for (const std::string& word : words) result.push_back(replace_braces(word, value).value_or(word));
  return result;
}

}  // namespace tooling
