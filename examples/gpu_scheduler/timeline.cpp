#include "timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "job.hpp"

namespace gpu_scheduler {
namespace {

using seconds = std::chrono::duration<double>;

constexpr double left = 190;  // of the plot; names stand before it
constexpr double width = 900;
constexpr double row_height = 26;

constexpr const char* style = R"(
:root { --paper: #fff; --ink: #1c2330; --faint: #5d6778; --line: #d9dee7; --band: #f3f5f9;
  --done: #2f7d5b; --failed: #c2412d; --cancelled: #8a6d1f; --other: #6b7280; --runs: #2b6cb0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --ink: #e6e9ef; --faint: #9aa4b5; --line: #333b48;
  --band: #1b212b; --done: #4fb286; --failed: #f07a68; --cancelled: #d9b654; --other: #8b94a3; --runs: #6aa8ec; } }
body { margin: 2rem auto; max-width: 74rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.05rem; margin-top: 2rem; } p, figcaption { color: var(--faint); }
figure { margin: 0; overflow-x: auto; } svg { min-width: 46rem; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .axis { fill: var(--faint); }
.grid { stroke: var(--line); } .band { fill: var(--band); }
.done { fill: var(--done); } .failed { fill: var(--failed); } .cancelled { fill: var(--cancelled); }
.other { fill: var(--other); } .runs { fill: var(--runs); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); } th { color: var(--faint); }
.number { text-align: right; } .key { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem; }
.key.done { background: var(--done); } .key.failed { background: var(--failed); } .key.runs { background: var(--runs); }
.key.cancelled { background: var(--cancelled); } .key.other { background: var(--other); }
)";

/// Names and results may hold anything.
std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return result;
}

const char* class_of(const lockkit::task_attempt& attempt) {
  if (!attempt.ended) return "runs";
  if (attempt.outcome == "done") return "done";
  if (attempt.outcome == "failed") return "failed";
  return attempt.outcome == "cancelled" ? "cancelled" : "other";
}

/// What ran on one GPU.
struct lane {
  std::string name;
  std::string group;
  std::vector<std::pair<const case_row*, const lockkit::task_attempt*>> attempts;
};

class page {
 public:
  explicit page(const timeline_data& data) : data_(data), begin_(data.now), end_(wall_time::min()) {
    std::map<std::string, std::size_t> places;
    for (const lockkit::resource_status& each : data.gpus) lanes_.push_back({each.what.name, each.what.group, {}});
    std::ranges::sort(lanes_, {}, [](const lane& each) { return std::tie(each.group, each.name); });
    for (std::size_t n = 0; n < lanes_.size(); ++n) places[lanes_[n].name] = n;
    for (const case_row& row : data.cases) {
      begin_ = std::min(begin_, row.task.submitted);
      for (const lockkit::task_attempt& attempt : row.attempts) add(row, attempt, places);
    }
    end_ = std::max(end_, begin_ + std::chrono::seconds(1));
  }

  std::string text() const {
    return fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta name=\"color-scheme\" content=\"light dark\"><title>{0}</title><style>{1}</style></head><body>\n"
        "<h1>Cases of {0}</h1><p>{2} cases, {3} GPUs, {4} to {5} ({6})</p>\n{7}{8}{9}</body></html>\n",
        escape(data_.title), style, data_.cases.size(), lanes_.size(), describe_time(begin_), describe_time(end_),
        describe_duration(end_ - begin_), timeline(), utilisation(), cases());
  }

 private:
  void add(const case_row& row, const lockkit::task_attempt& attempt,
           const std::map<std::string, std::size_t>& places) {
    end_ = std::max(end_, attempt.ended.value_or(data_.now));
    for (const lockkit::claimed_item& item : attempt.items) {
      const auto place = places.find(item.name);
      if (place != places.end()) lanes_[place->second].attempts.emplace_back(&row, &attempt);
    }
  }

  double x(wall_time time) const { return left + width * (seconds(time - begin_) / seconds(end_ - begin_)); }

  std::string axis(double height) const {
    std::string text;
    constexpr int steps = 6;
    for (int n = 0; n <= steps; ++n) {
      const double at = left + width * n / steps;
      const seconds time = seconds(end_ - begin_) * (static_cast<double>(n) / steps);
      text += fmt::format(
          "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"20\" y2=\"{1}\"/>"
          "<text class=\"axis\" x=\"{0:.1f}\" y=\"14\" text-anchor=\"middle\">{2}</text>\n",
          at, height, describe_duration(time));
    }
    return text;
  }

  std::string bar(const case_row& row, const lockkit::task_attempt& attempt, double y) const {
    const wall_time ended = attempt.ended.value_or(data_.now);
    const double from = x(attempt.taken);
    return fmt::format(
        "<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" rx=\"2\"><title>{}, attempt "
        "{}: {} after {}</title></rect>\n",
        class_of(attempt), from, y + 4, std::max(x(ended) - from - 0.6, 0.8), row_height - 8, escape(row.task.key),
        attempt.attempt, attempt.outcome.empty() ? "runs" : escape(attempt.outcome),
        describe_duration(ended - attempt.taken));
  }

  std::string timeline() const {
    const double height = 24 + row_height * static_cast<double>(lanes_.size());
    std::string rows;
    double y = 24;
    for (const lane& each : lanes_) {
      const std::string label = each.name.size() > 24 ? each.name.substr(0, 23) + "…" : each.name;
      rows += fmt::format(
          "<rect class=\"band\" x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"/><text x=\"0\" "
          "y=\"{:.1f}\">{}<title>{} "
          "({})</title></text>\n",
          left, y + 2, width, row_height - 4, y + 17, escape(label), escape(each.name), escape(each.group));
      for (const auto& [row, attempt] : each.attempts) rows += bar(*row, *attempt, y);
      y += row_height;
    }
    return fmt::format(
        "<h2>Timeline</h2><figure><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Cases per GPU over time\">\n{}{}"
        "</svg><figcaption>One row per GPU; point at a bar for its case.<span class=\"key done\"></span>done<span "
        "class=\"key failed\"></span>failed<span class=\"key cancelled\"></span>cancelled<span class=\"key "
        "runs\"></span>"
        "running<span class=\"key other\"></span>given back, lost</figcaption></figure>\n",
        left + width + 30, height + 4, axis(height), rows);
  }

  std::string utilisation() const {
    std::string rows;
    for (const lane& each : lanes_) {
      seconds busy(0);
      for (const auto& [row, attempt] : each.attempts) busy += attempt->ended.value_or(data_.now) - attempt->taken;
      rows += fmt::format(
          "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td "
          "class=\"number\">{:.0f} %</td></tr>\n",
          escape(each.group), escape(each.name), each.attempts.size(), describe_duration(busy),
          100 * (busy / seconds(end_ - begin_)));
    }
    return "<h2>GPUs</h2><div class=\"scroll\"><table><tr><th>group</th><th>GPU</th><th class=\"number\">attempts</th>"
           "<th class=\"number\">busy</th><th class=\"number\">of the time</th></tr>\n" +
           rows + "</table></div>\n";
  }

  std::string cases() const {
    std::string rows;
    for (const case_row& each : data_.cases) {
      rows += fmt::format(
          "<tr><td class=\"number\">{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td><td "
          "class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td></tr>\n",
          each.task.id, escape(each.task.key), to_string(each.task.state), each.task.attempt,
          describe_duration(each.waited(data_.now)), describe_duration(each.ran(data_.now)), escape(each.resources()),
          escape(each.task.result));
    }
    return "<h2>Cases</h2><div class=\"scroll\"><table><tr><th "
           "class=\"number\">number</th><th>case</th><th>state</th><th "
           "class=\"number\">attempt</th><th class=\"number\">waited</th><th class=\"number\">ran</th><th>on</th>"
           "<th>result</th></tr>\n" +
           rows + "</table></div>\n";
  }

  const timeline_data& data_;
  wall_time begin_;
  wall_time end_;
  std::vector<lane> lanes_;
};

}  // namespace

std::string timeline_page(const timeline_data& data) {
  return page(data).text();
}

}  // namespace gpu_scheduler
