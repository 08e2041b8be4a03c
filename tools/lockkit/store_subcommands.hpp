#pragma once
/// The subcommands of lockkit-store: one file each, added to the command line by one function each, which are declared
/// here and listed in store_subcommands.cpp.

#include <array>
#include <span>

#include "subcommand.hpp"

namespace lockkit_command {

/// Names and summaries alone: lockkit itself shows them in its help, and links nothing of the rest.
inline constexpr std::array store_summaries = {
    subcommand{"cache", "Fetch data once for all processes, and mirror it to where it is wanted", nullptr},
    subcommand{"claim", "Claim named resources: GPUs, licences, slots", nullptr},
    subcommand{"task", "Submit tasks once, take them with the resources that they need", nullptr},
};

void add_cache(CLI::App& sub, invocation& call);
void add_claim(CLI::App& sub, invocation& call);
void add_task(CLI::App& sub, invocation& call);

[[nodiscard]] std::span<const subcommand> store_subcommands() noexcept;

}  // namespace lockkit_command
