#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "text.hpp"
#include "view.hpp"

namespace status_board {
namespace {

constexpr std::string_view style = R"(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--dim:#5d6b7e;--line:#e1e5eb;--track:#e7eaf0;
--failed:#c62f3b;--running:#1769d2;--done:#1d7f46;--paused:#946200;--queued:#5d6b7e}
@media(prefers-color-scheme:dark){:root{--bg:#11151c;--card:#191f29;--ink:#e6eaf0;--dim:#97a4b6;--line:#2a3240;
--track:#2a3240;--failed:#ff7b85;--running:#6fb0ff;--done:#5fd08d;--paused:#e8b54a;--queued:#97a4b6}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 40px}h1{font-size:22px;margin:0 0 2px}
p{color:var(--dim);margin:0 0 18px;overflow-wrap:anywhere}
.sums{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 18px;padding:0;list-style:none}
.sums li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:8px 14px;min-width:86px}
.sums b{display:block;font-size:20px;line-height:1.2}.sums span{color:var(--dim);font-size:13px}
.frame{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow-x:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:10px 14px;vertical-align:top}
th{color:var(--dim);font-weight:600;font-size:13px;border-bottom:1px solid var(--line);white-space:nowrap}
tr+tr td{border-top:1px solid var(--line)}td.job{font-weight:600;overflow-wrap:anywhere;min-width:110px}
td.text{white-space:pre-line;overflow-wrap:anywhere;min-width:160px}td.time{color:var(--dim);white-space:nowrap}
.state{display:inline-block;border:1px solid currentColor;border-radius:999px;padding:1px 10px;font-size:13px;
font-weight:600;white-space:nowrap}.state::before{content:"● "}
.failed,.unreadable{color:var(--failed)}.running{color:var(--running)}.done{color:var(--done)}
.paused,.waiting{color:var(--paused)}.other{color:var(--queued)}
td.bar{min-width:140px;white-space:nowrap}progress{width:92px;height:9px;vertical-align:middle;margin-right:8px;
border:0;border-radius:5px;background:var(--track);overflow:hidden;accent-color:var(--running)}
progress::-webkit-progress-bar{background:var(--track)}progress::-webkit-progress-value{background:currentColor;
border-radius:5px}progress::-moz-progress-bar{background:currentColor}
)";

/// The class of a state: a known word, never what a file says.
std::string_view class_of(const std::string& state) {
  constexpr std::array known = {std::string_view("failed"),  std::string_view("unreadable"),
                                std::string_view("running"), std::string_view("done"),
                                std::string_view("paused"),  std::string_view("waiting")};
  const auto found = std::ranges::find(known, state);
  return found == known.end() ? "other" : *found;
}

/// Lines of a message stay lines; everything else that is unseen is shown.
std::string html_lines(std::string_view text) {
  std::string result;
  for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(end + 1)) {
    end = text.find('\n');
    result += html(text.substr(0, end));
    if (end == std::string_view::npos) break;
    result += '\n';
  }
  return result;
}

std::string sums(const view& what) {
  std::map<std::string, unsigned> counts;
  std::vector<std::string> order;
  for (const row& each : what.rows) {
    if (counts[each.record.state]++ == 0) order.push_back(each.record.state);
  }
  std::string result;
  for (const std::string& state : order) {
    result +=
        fmt::format(R"(<li class="{}"><b>{}</b><span>{}</span></li>)", class_of(state), counts[state], html(state));
  }
  return result;
}

std::string line_of(const row& each, microtime now) {
  const status_record& record = each.record;
  const std::string progress =
      record.progress ? fmt::format(R"(<progress max="100" value="{0}"></progress>{0} %)", *record.progress) : "";
  return fmt::format(
      R"(<tr><td class="job">{}</td><td><span class="state {}">{}</span></td><td class="bar {}">{}</td>)"
      R"(<td class="text">{}</td><td class="time"><time datetime="{}" title="{}; began {}; on {}">{}</time></td></tr>)"
      "\n",
      html(each.job), class_of(record.state), html(record.state), class_of(record.state), progress,
      html_lines(record.message), html(record.updated), html(record.updated), html(record.began), html(record.host),
      age_of(record.updated, now));
}

}  // namespace

std::string page_of(const view& what, unsigned refresh_seconds) {
  std::string lines;
  for (const row& each : what.rows) lines += line_of(each, what.now);
  const std::string refresh =
      refresh_seconds == 0 ? "" : fmt::format(R"(<meta http-equiv="refresh" content="{}">)", refresh_seconds);
  const std::string time =
      fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(what.now)));
  return fmt::format(
      R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">{}
<title>Status of {} jobs</title><style>{}</style></head><body><main>
<h1>Status board</h1><p>{} · as of {} · lock: {}</p>
<ul class="sums">{}</ul>
<div class="frame"><table><thead><tr><th>Job</th><th>State</th><th>Progress</th><th>Message</th><th>Updated</th></tr></thead>
<tbody>
{}</tbody></table></div></main></body></html>
)",
      refresh, what.rows.size(), style, html(what.checkout), time, html(what.lock), sums(what), lines);
}

}  // namespace status_board
