#pragma once
/// Answers for programs. One JSON document on stdout, always valid UTF-8; members keep their order and their names.
///
/// What may hold any bytes (paths, labels, commands) is a string in which bytes that are no UTF-8 are replaced by U+FFFD;
/// only then there is a second member, `<name>_hex`, with the true bytes in hexadecimal digits. What is not known is null.

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include <lockkit/owner.hpp>

namespace lockkit_command {

using json = nlohmann::ordered_json;

/// Adds member `name`, and `name_hex` if need be.
void put_text(json& object, const std::string& name, std::string_view bytes);
/// The same, but null for nothing.
void put_known(json& object, const std::string& name, std::string_view bytes);
/// {pid, host, command, label, since, token, boot_id, pid_namespace, start_time}. `since`: UTC, ISO 8601; `token`: digits
/// in a string, since it is larger than what many readers of JSON take for exact.
[[nodiscard]] json to_json(const lockkit::owner& who);
[[nodiscard]] json seconds_json(std::chrono::nanoseconds time);
/// "2026-11-20T13:45:49.123Z"
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point time);
[[nodiscard]] std::string json_text(const json& document);
void print_json(const json& document);

}  // namespace lockkit_command
