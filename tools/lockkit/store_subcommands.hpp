#pragma once
/// The subcommands of lockkit-store: one file each, added to the command line by one function each, which are declared
/// here and listed in store_subcommands.cpp.

#include <array>
#include <span>

#include "subcommand.hpp"

namespace lockkit_command {

/// Names and summaries alone: lockkit itself shows them in its help, and links nothing of the rest.
inline constexpr std::array<subcommand, 0> store_summaries = {};

[[nodiscard]] std::span<const subcommand> store_subcommands() noexcept;

}  // namespace lockkit_command
