#pragma once
/// How the record of a lock shows that it is held by acquire, and for whom: the holder's command is "lockkit-hold", and its
/// label begins with "for:PID NAME". The record's PID is the holder's own, since it has the kernel's lock; it ends when the
/// other one does, so that a script that looks whether that PID lives gets the right answer.

#include <optional>
#include <string>

#include <lockkit/owner.hpp>

namespace lockkit_command {

inline constexpr const char* hold_command = "lockkit-hold";

struct held_for {
  int pid = 0;
  std::string command;  ///< may have been shortened
};

[[nodiscard]] std::string hold_label(const held_for& whom, const std::string& label);
/// Nothing for any other lock.
[[nodiscard]] std::optional<held_for> parse_hold(const lockkit::owner& holder);

}  // namespace lockkit_command
