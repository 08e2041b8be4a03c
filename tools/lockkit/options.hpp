#pragma once
/// Kinds of options that several subcommands share. Each takes a reference that must live until the callback has run.

#include <CLI/CLI.hpp>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lockkit_command {

/// "2.5" and "2.5s" are seconds; also ms, m, h, d; "never" is lockkit::no_timeout, as is more than can be represented.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept;
/// The shortest form of it: "2.5 s", or "never".
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds time);

/// An option of type SECONDS.
CLI::Option* add_duration(CLI::App& app, const std::string& names, std::chrono::nanoseconds& value,
                          const std::string& help);

/// --keep-out-everyone of a lock file.
CLI::Option* add_keep_out_everyone(CLI::App& app, bool& value);

/// A positional or an option of type PATH (DIR, FILE: say type_name() again).
CLI::Option* add_path(CLI::App& app, const std::string& names, std::string& value, const std::string& help);

/// One of some words: its type name is `a|b|c`.
template <class Value>
CLI::Option* add_choice(CLI::App& app, const std::string& names, Value& value,
                        std::initializer_list<std::pair<const char*, Value>> words, const std::string& help) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : "|") + std::string(word.first);
  const std::vector<std::pair<const char*, Value>> known(words);
  const auto choose = [&value, known, names, all](const std::string& text) {
    for (const auto& [word, meaning] : known) {
      if (text != word) continue;
      value = meaning;
      return;
    }
    throw CLI::ValidationError(names, "'" + text + "' is none of " + all);
  };
  return app.add_option_function<std::string>(names, choose, help)->type_name(all);
}

}  // namespace lockkit_command
