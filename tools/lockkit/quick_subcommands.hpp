#pragma once
/// The subcommands of lockkit itself: one file each, added to the command line by one function each.

#include <span>

#include "subcommand.hpp"

namespace lockkit_command {

void add_acquire(CLI::App& sub, invocation& call);
void add_break(CLI::App& sub, invocation& call);
void add_clean(CLI::App& sub, invocation& call);
void add_doctor(CLI::App& sub, invocation& call);
void add_mkdir(CLI::App& sub, invocation& call);
void add_publish(CLI::App& sub, invocation& call);
void add_release(CLI::App& sub, invocation& call);
void add_run(CLI::App& sub, invocation& call);
void add_settle(CLI::App& sub, invocation& call);
void add_status(CLI::App& sub, invocation& call);
void add_wait(CLI::App& sub, invocation& call);

/// Together with those of lockkit-store, in the order of the help.
[[nodiscard]] std::span<const subcommand> quick_subcommands() noexcept;

}  // namespace lockkit_command
