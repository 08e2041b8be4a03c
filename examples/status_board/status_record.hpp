#pragma once
/// What a job says of itself: one JSON file, data/status/<job>.json.
///
///   {"job": "...", "state": "running", "progress": 30, "message": "...", "began": TIME, "updated": TIME, "host": "..."}
///
/// TIME is UTC with microseconds, 2026-11-20T13:40:36.123456Z, so that comparing texts compares times. `updated` grows
/// with each update of a file, also when the wall clock was set back: it says which of two versions is the later one.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace status_board {

struct status_record {
  std::string job;
  std::string state;
  std::string message;
  std::string host;
  std::optional<int> progress;  ///< percent
  std::string began;            ///< when it left its last final state
  std::string updated;
};

/// done, failed, cancelled: nothing more is expected.
[[nodiscard]] bool is_final(std::string_view state) noexcept;

/// `record` with its times, following `previous` (the file as it was, if it could be read).
[[nodiscard]] status_record succeed(status_record record, const std::optional<status_record>& previous);

[[nodiscard]] std::string to_text(const status_record& record);
/// Anything that is not such a record, of an old script for instance, is none. `updated` may be empty.
[[nodiscard]] std::optional<status_record> parse_record(std::string_view text);
/// "status: job running 30 %", and the message below it.
[[nodiscard]] std::string commit_message(std::string_view job, std::string_view text);

/// Until the year 9999, which nanoseconds would not reach.
using microtime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
[[nodiscard]] microtime current_time();
[[nodiscard]] std::optional<microtime> parse_time(std::string_view text);

}  // namespace status_board
