#pragma once
/// Amounts of memory and of data as people write them.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lockkit_command {

/// "80", "80B", "80kB", "80GB" or "80G", "80GiB", ...: bytes. Nothing for any other text, and beyond 2^63.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;

/// An option of type BYTES.
CLI::Option* add_bytes(CLI::App& app, const std::string& names, std::uint64_t& value, const std::string& help);

}  // namespace lockkit_command
