#pragma once
/// Waiting for a lock in a program that signals may end at any time, and what is said when it was not had.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include <lockkit/deadline.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/lock_options.hpp>

namespace lockkit_command {

enum class wait_outcome { acquired, timed_out, given_up };

/// Calls `attempt(until)` for pieces of the wait; between two of them asks whether to give up.
[[nodiscard]] wait_outcome wait_in_pieces(lockkit::deadline until,
                                          const std::function<bool(lockkit::deadline)>& attempt,
                                          const std::function<bool()>& give_up);

/// "held by pid 4711 on host web1 (sync), for 12.3 s", or what else stands in the way.
[[nodiscard]] std::string holder_text(const lockkit::lock_inspection& found);
[[nodiscard]] std::string holder_text(const lockkit::wait_notice& notice);

/// Who holds it, why it was not had and what can be done.
[[nodiscard]] std::string not_in_time_text(const std::filesystem::path& path, std::chrono::nanoseconds timeout);
void say_not_in_time(const std::filesystem::path& path, std::chrono::nanoseconds timeout);

}  // namespace lockkit_command
