#include "json_output.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>

#include "message.hpp"

namespace lockkit_command {
namespace {

/// null for "not known".
json number_or_null(std::uint64_t number) {
  return number == 0 ? json() : json(number);
}

}  // namespace

void put_text(json& object, const std::string& name, std::string_view bytes) {
  object[name] = bytes;
  if (is_utf8(bytes)) return;
  std::string digits;
  for (const char c : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  object[name + "_hex"] = digits;
}

void put_known(json& object, const std::string& name, std::string_view bytes) {
  if (bytes.empty()) {
    object[name] = nullptr;
  } else {
    put_text(object, name, bytes);
  }
}

json seconds_json(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string utc_text(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto ms = whole.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), ms);
}

json to_json(const lockkit::owner& who) {
  json object;
  object["pid"] = number_or_null(static_cast<std::uint64_t>(who.pid));
  put_known(object, "host", who.host);
  put_known(object, "command", who.command);
  put_known(object, "label", who.label);
  object["since"] = who.since.time_since_epoch().count() > 0 ? json(utc_text(who.since)) : json();
  object["token"] = who.token.value != 0 ? json(std::to_string(who.token.value)) : json();
  put_known(object, "boot_id", who.boot_id);
  object["pid_namespace"] = number_or_null(who.pid_namespace);
  object["start_time"] = number_or_null(who.start_time);
  return object;
}

std::string json_text(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace);
}

void print_json(const json& document) {
  fmt::print("{}\n", json_text(document));
}

}  // namespace lockkit_command
