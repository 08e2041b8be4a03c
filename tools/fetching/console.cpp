#include "console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "without_sigpipe.hpp"

namespace fetching {
namespace {

using std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

/// "12.3 MB/s, 4 s left"; the rate is the average since the transfer began.
std::string describe_rate(std::uint64_t bytes, std::optional<std::uint64_t> total, seconds elapsed) {
  const double rate = static_cast<double>(bytes) / std::max(elapsed.count(), 0.001);
  std::string text = describe_size(static_cast<std::uint64_t>(rate)) + "/s";
  if (total && *total > bytes && rate > 0) {
    text += fmt::format(", {:.0f} s left", static_cast<double>(*total - bytes) / rate);
  }
  return text;
}

/// "[#####.....]  50 %" of a known total, else nothing.
std::string draw_bar(std::uint64_t bytes, std::optional<std::uint64_t> total) {
  constexpr std::size_t width = 24;
  if (!total || *total == 0) return {};
  const double done = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(*total));
  const auto filled = static_cast<std::size_t>(done * width);
  return fmt::format("[{:.<{}}] {:3.0f} %  ", std::string(filled, '#'), width, done * 100);
}

/// What can't be shown changes nothing: fmt::print would throw.
void show(const std::string& text) noexcept {
  const without_sigpipe unharmed;
  std::fputs(text.c_str(), stderr);
}

/// The end of a label says more than its beginning, as labels can be URLs.
std::string shorten(const std::string& label, std::size_t length) {
  return label.size() <= length ? label : "..." + label.substr(label.size() - length + 3);
}

}  // namespace

std::string describe_size(std::uint64_t bytes) {
  constexpr std::array units = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < units.size(); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

console::console() : bar_(::isatty(STDERR_FILENO) == 1) {}

console::~console() {
  if (drawn_) show("\r\033[K");
}

void console::say(const std::string& message) {
  const std::lock_guard hold(mutex_);
  print(message);
}

void console::progress(const std::string& label, const lockkit::fetch_progress& now) {
  const std::lock_guard hold(mutex_);
  const auto time = clock::now();
  transfer& running = running_.try_emplace(label, transfer{{}, time, time}).first->second;
  running.now = now;
  if (bar_ && time - redrawn_ >= std::chrono::milliseconds(100)) redraw();
  if (!bar_ && time - running.told >= std::chrono::seconds(5)) tell(label, running);
}

void console::finish(const std::string& label, bool brought) {
  const std::lock_guard hold(mutex_);
  const auto found = running_.find(label);
  if (found == running_.end()) return;
  const transfer ended = found->second;
  running_.erase(found);
  if (!brought) return;
  const seconds elapsed = clock::now() - ended.began;
  print(fmt::format("{}: fetched {} in {:.2f} s ({})", label, describe_size(ended.now.bytes), elapsed.count(),
                    describe_rate(ended.now.bytes, std::nullopt, elapsed)));
}

void console::tell(const std::string& label, transfer& running) {
  running.told = clock::now();
  const auto& [bytes, total] = running.now;
  const std::string of = total ? fmt::format(" of {}", describe_size(*total)) : "";
  print(fmt::format("{}: {}{}, {}", label, describe_size(bytes), of,
                    describe_rate(bytes, total, running.told - running.began)));
}

void console::print(const std::string& message) {
  const char* clear = drawn_ ? "\r\033[K" : "";
  show(fmt::format("{}{}\n", clear, message));
  if (drawn_) redraw();
}

/// All running transfers together, on one line of less than 80 columns.
void console::redraw() {
  redrawn_ = clock::now();
  lockkit::fetch_progress sum{0, 0};
  auto began = redrawn_;
  for (const auto& [label, running] : running_) {
    sum.bytes += running.now.bytes;
    if (sum.total && running.now.total) *sum.total += *running.now.total;
    if (!running.now.total) sum.total.reset();
    began = std::min(began, running.began);
  }
  drawn_ = !running_.empty();
  if (!drawn_) return;
  const std::string label =
      running_.size() == 1 ? shorten(running_.begin()->first, 20) : fmt::format("{} data sets", running_.size());
  show(fmt::format("\r\033[K{} {}{}", label, draw_bar(sum.bytes, sum.total),
                   describe_rate(sum.bytes, sum.total, redrawn_ - began)));
}

}  // namespace fetching
