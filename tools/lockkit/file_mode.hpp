#pragma once
/// --mode, in octal as chmod takes it.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>

namespace lockkit_command {

/// "640"; at most `most`. Nothing for any other text.
[[nodiscard]] std::optional<std::filesystem::perms> parse_mode(const std::string& text, unsigned most) noexcept;

/// An option --mode of type OCTAL; without it `mode` stays empty.
CLI::Option* add_mode(CLI::App& app, std::optional<std::filesystem::perms>& mode, unsigned most,
                      const std::string& help);

}  // namespace lockkit_command
