#include "options.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include <lockkit/lock_options.hpp>

namespace lockkit_command {
namespace {

struct unit {
  std::string_view name;
  double seconds;
};
constexpr std::array units = {unit{"", 1},   unit{"s", 1},    unit{"ms", 1e-3},
                              unit{"m", 60}, unit{"h", 3600}, unit{"d", 86400}};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept {
  if (text == "never") return lockkit::no_timeout;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || text.empty() || !(number >= 0)) return std::nullopt;  // NaN too
  const std::string_view name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const unit& each : units) {
    if (name != each.name) continue;
    const double ns = number * each.seconds * 1e9;
    if (ns >= static_cast<double>(lockkit::no_timeout.count())) return lockkit::no_timeout;
    return std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(ns));
  }
  return std::nullopt;
}

std::string duration_text(std::chrono::nanoseconds time) {
  return time == lockkit::no_timeout ? "never" : fmt::format("{} s", std::chrono::duration<double>(time).count());
}

CLI::Option* add_duration(CLI::App& app, const std::string& names, std::chrono::nanoseconds& value,
                          const std::string& help) {
  const auto parse = [&value, names](const std::string& text) {
    const auto time = parse_duration(text);
    if (!time) throw CLI::ValidationError(names, "'" + text + "' is no time: seconds, or a number with ms, s, m, h, d");
    value = *time;
  };
  return app.add_option_function<std::string>(names, parse, help)->type_name("SECONDS");
}

CLI::Option* add_keep_out_everyone(CLI::App& app, bool& value) {
  return app.add_flag("--keep-out-everyone", value,
                      "Also keep out programs that lock PATH by POSIX record locks (fcntl, lockf, fasteners, Boost)");
}

CLI::Option* add_path(CLI::App& app, const std::string& names, std::string& value, const std::string& help) {
  return app.add_option(names, value, help)->type_name("PATH");
}

}  // namespace lockkit_command
