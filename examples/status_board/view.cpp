#include "view.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

#include "text.hpp"

namespace status_board {
namespace {

int urgency(const std::string& state) {
  constexpr std::array order = {"failed", "unreadable", "running", "paused", "waiting", "queued"};
  const auto found = std::ranges::find(order, state);
  const auto place = static_cast<int>(found - order.begin());
  return found == order.end() && is_final(state) ? place + 1 : place;
}

/// Of a terminal: red, green, ... by the state's meaning.
int colour_of(const std::string& state) {
  if (state == "failed" || state == "unreadable") return 31;
  if (state == "done") return 32;
  if (state == "running") return 36;
  if (state == "paused" || state == "waiting") return 33;
  return 90;
}

/// Characters, as far as UTF-8 says: what wide ones take up is not asked.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// Shortened with "…", or filled.
std::string fit(std::string text, std::size_t width) {
  const std::size_t has = columns(text);
  if (has <= width) return text + std::string(width - has, ' ');
  while (columns(text) >= width && !text.empty()) {
    while (!text.empty() && (text.back() & 0xC0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
  }
  return text + "…";
}

std::string bar(const std::optional<int>& progress) {
  if (!progress) return std::string(15, ' ');
  const auto full = static_cast<std::size_t>(*progress / 10);
  return fmt::format("{}{} {:>3}%", std::string(full, '#'), std::string(10 - full, '.'), *progress);
}

std::string in_colour(const std::string& text, int colour, bool colours) {
  return colours ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : text;
}

}  // namespace

std::vector<row> rows_of(const std::map<std::string, std::string>& files) {
  std::vector<row> rows;
  for (const auto& [job, text] : files) {
    status_record unreadable;
    unreadable.state = "unreadable";
    rows.push_back({job, parse_record(text).value_or(unreadable)});
  }
  std::ranges::sort(rows, [](const row& a, const row& b) {
    return std::tuple(urgency(a.record.state), b.record.updated, a.job) <
           std::tuple(urgency(b.record.state), a.record.updated, b.job);
  });
  return rows;
}

std::string age_of(const std::string& time, microtime now) {
  const auto then = parse_time(time);
  if (!then) return {};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - *then).count();
  if (seconds < -1) return "in the future";
  if (seconds < 120) return fmt::format("{} s ago", std::max<std::int64_t>(seconds, 0));
  if (seconds < 7200) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 172'800) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} days ago", seconds / 86'400);
}

std::string table_of(const view& what, bool colours, std::size_t width) {
  std::size_t widest = 3;
  for (const row& each : what.rows) widest = std::max(widest, columns(printable(each.job)));
  const std::size_t job = std::min<std::size_t>(widest, 32);
  const std::size_t fixed = job + 2 + 11 + 16 + 14;
  const std::size_t message = width > fixed + 10 ? width - fixed : 10;
  std::string result =
      fmt::format("{}  {:<10} {:<15} {:<13} {}\n", fit("job", job), "state", "progress", "updated", "message");
  for (const row& each : what.rows) {
    const status_record& record = each.record;
    const std::string state = in_colour(fit(printable(record.state), 10), colour_of(record.state), colours);
    std::string line = fmt::format("{}  {} {} {:<13} {}", fit(printable(each.job), job), state, bar(record.progress),
                                   age_of(record.updated, what.now), fit(printable(record.message), message));
    line.resize(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  }
  return result + fmt::format("{} jobs; lock: {}\n", what.rows.size(), printable(what.lock));
}

}  // namespace status_board
