#include "status_record.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <lockkit/owner.hpp>
#include <nlohmann/json.hpp>

#include "text.hpp"

namespace status_board {
namespace {

using nlohmann::json;
constexpr std::string_view shape = "0000-00-00T00:00:00.000000Z";

std::string format_time(microtime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(std::time_t{seconds.time_since_epoch().count()}),
                     (time - seconds).count());
}

/// A member that is a text; else nothing.
std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string time_at(const json& object, const char* key) {
  const std::string text = text_at(object, key);
  return parse_time(text) ? text : std::string();
}

}  // namespace

bool is_final(std::string_view state) noexcept {
  constexpr std::array finals = {std::string_view("done"), std::string_view("failed"), std::string_view("cancelled")};
  return std::ranges::find(finals, state) != finals.end();
}

microtime current_time() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::optional<microtime> parse_time(std::string_view text) {
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == '0' ? !digit : text[i] != shape[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t length) {
    return std::stoi(std::string(text.substr(at, length)));
  };
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  return microtime(std::chrono::seconds(::timegm(&parts)) + std::chrono::microseconds(number(20, 6)));
}

status_record succeed(status_record record, const std::optional<status_record>& previous) {
  microtime now = current_time();
  const auto last = previous ? parse_time(previous->updated) : std::nullopt;
  if (last) now = std::max(now, *last + std::chrono::microseconds(1));
  record.updated = format_time(now);
  record.began = previous && !is_final(previous->state) && !previous->began.empty() ? previous->began : record.updated;
  record.host = lockkit::current_process().host;
  return record;
}

std::string to_text(const status_record& record) {
  nlohmann::ordered_json object = {{"job", record.job}, {"state", record.state}};
  if (record.progress) object["progress"] = *record.progress;
  if (!record.message.empty()) object["message"] = record.message;
  object["began"] = record.began;
  object["updated"] = record.updated;
  object["host"] = record.host;
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::optional<status_record> parse_record(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object() || text_at(object, "state").empty()) return std::nullopt;
  status_record record = {.job = text_at(object, "job"),
                          .state = text_at(object, "state"),
                          .message = text_at(object, "message"),
                          .host = text_at(object, "host"),
                          .progress = {},
                          .began = time_at(object, "began"),
                          .updated = time_at(object, "updated")};
  const auto progress = object.find("progress");
  if (progress != object.end() && progress->is_number()) {
    record.progress = static_cast<int>(std::clamp(progress->get<double>(), 0.0, 100.0));
  }
  return record;
}

std::string commit_message(std::string_view job, std::string_view text) {
  const auto record = parse_record(text);
  std::string result = fmt::format("status: {}", printable(job));
  if (!record) return result + "\n";
  result += fmt::format(" {}", printable(record->state));
  if (record->progress) result += fmt::format(" {} %", *record->progress);
  if (!record->message.empty()) result += fmt::format("\n\nmessage: {}", printable(record->message));
  return result + "\n";
}

}  // namespace status_board
