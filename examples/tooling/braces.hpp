#pragma once
/// Placeholders in braces, in the words of a command. Each word stays one word, whatever is put in; no shell reads it.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tooling {

using brace_value = std::function<std::string(std::string_view name)>;

/// `value` is asked for each {name}; "{{" and "}}" stand for braces. nullopt: a brace without its counterpart.
[[nodiscard]] std::optional<std::string> replace_braces(std::string_view word, const brace_value& value);

/// Empty if the word has none but those names, else what is wrong with it.
[[nodiscard]] std::string problem_with_braces(std::string_view word, const std::vector<std::string_view>& names);

/// Words that problem_with_braces has nothing against.
[[nodiscard]] std::vector<std::string> expand_braces(const std::vector<std::string>& words, const brace_value& value);

}  // namespace tooling
