#include "http_answer.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

namespace fetching {
namespace {

using wall_clock = std::chrono::system_clock;

/// A file that is changed twice within the resolution of its time keeps it: so much older than the answer it must be.
constexpr std::chrono::seconds settled_after{60};

std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Takes a number, and `then` behind it, from the front.
bool take_number(std::string_view& text, std::string_view then, std::uint64_t& value) noexcept {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(then)) return false;
  text.remove_prefix(then.size());
  return true;
}

/// The value of "name=value" among comma-separated directives; none if the name is not there, empty without a value.
std::optional<std::string> directive(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view one = trimmed(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t equals = std::min(one.find('='), one.size());
    if (lowered(trimmed(one.substr(0, equals))) != name) continue;
    std::string_view value = trimmed(one.substr(std::min(equals + 1, one.size())));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return std::nullopt;
}

std::chrono::seconds parse_seconds(std::string_view text) noexcept {
  constexpr std::uint64_t century = 36500ULL * 86400;
  std::uint64_t value = 0;
  return std::chrono::seconds(take_number(text, "", value) && text.empty() ? std::min(value, century) : 0);
}

}  // namespace

void http_answer::clear() {
  status_ = 0;
  fields_.clear();
}

void http_answer::add_line(std::string_view line) {
  line = trimmed(line);
  if (line.starts_with("HTTP/")) {
    clear();
    std::string_view rest = trimmed(line.substr(std::min(line.find(' '), line.size())));
    std::uint64_t status = 0;
    if (take_number(rest, "", status)) status_ = static_cast<long>(status);
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto [found, added] = fields_.try_emplace(lowered(trimmed(line.substr(0, colon))), value);
  if (!added) found->second.append(", ").append(value);
}

std::string http_answer::field(const std::string& name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? std::string() : found->second;
}

std::optional<wall_clock::time_point> http_answer::time_of(const std::string& name) const {
  const std::string text = field(name);
  const std::time_t seconds = text.empty() ? -1 : curl_getdate(text.c_str(), nullptr);
  return seconds < 0 ? std::nullopt : std::optional(wall_clock::from_time_t(seconds));
}

std::optional<content_range> http_answer::range() const {
  const std::string text = field("content-range");
  std::string_view rest = text;
  constexpr std::string_view unit = "bytes ";
  if (!rest.starts_with(unit)) return std::nullopt;
  rest.remove_prefix(unit.size());
  content_range found;
  if (!take_number(rest, "-", found.first) || !take_number(rest, "/", found.last) ||
      !take_number(rest, "", found.total) || !rest.empty()) {
    return std::nullopt;
  }
  return found.first <= found.last && found.last < found.total ? std::optional(found) : std::nullopt;
}

lockkit::content_validators http_answer::version_at(const std::string& url) const {
  lockkit::content_validators version{field("etag"), {}, url};
  const auto modified = time_of("last-modified");
  const auto answered = time_of("date");
  if (modified && answered && *answered - *modified >= settled_after) version.last_modified = field("last-modified");
  return version.etag.empty() && version.last_modified.empty() ? lockkit::content_validators() : version;
}

bool http_answer::may_be_of(const lockkit::content_validators& version) const {
  const std::string tag = field("etag");
  const std::string time = field("last-modified");
  return (tag.empty() || tag == version.etag) &&
         (time.empty() || version.last_modified.empty() || time == version.last_modified);
}

bool http_answer::may_have_ranges() const {
  return lowered(field("accept-ranges")) != "none" && field("content-encoding").empty();
}

std::optional<std::chrono::seconds> http_answer::lifetime() const {
  const std::string control = field("cache-control");
  if (directive(control, "no-store") || directive(control, "no-cache")) return std::chrono::seconds(0);
  if (const auto age = directive(control, "max-age")) return parse_seconds(*age);
  if (field("expires").empty()) return std::nullopt;
  const auto expires = time_of("expires");  // "0", and whatever else is no date: at once
  const auto answered = time_of("date").value_or(wall_clock::now());
  if (!expires || *expires < answered) return std::chrono::seconds(0);
  return std::chrono::duration_cast<std::chrono::seconds>(*expires - answered);
}

std::optional<wall_clock::time_point> http_answer::expiry() const {
  const auto fresh = lifetime();
  if (!fresh) return std::nullopt;
  return wall_clock::now() + (*fresh - parse_seconds(field("age")));
}

bool is_strong_tag(std::string_view etag) noexcept {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"' &&
         etag.substr(1, etag.size() - 2).find('"') == std::string_view::npos;
}

std::string range_validator(const lockkit::content_validators& version) {
  if (is_strong_tag(version.etag)) return version.etag;
  return version.etag.empty() ? version.last_modified : std::string();
}

}  // namespace fetching
