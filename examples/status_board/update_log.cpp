#include "update_log.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <lockkit/directory.hpp>
#include <lockkit/staged_file.hpp>

#include "text.hpp"

namespace status_board {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t time_length = 27;
constexpr std::string_view ending = ".json";

fs::path log_of(const board& here) {
  return here.place.git_dir / (here.settings.lock + ".updates");
}

/// Of "<time>-<job>.json"; nothing for other names.
std::optional<std::string> job_of(const std::string& name) {
  if (name.size() < time_length + 1 + ending.size() || !name.ends_with(ending)) return std::nullopt;
  if (!parse_time(name.substr(0, time_length)) || name[time_length] != '-') return std::nullopt;
  std::string job = name.substr(time_length + 1, name.size() - time_length - 1 - ending.size());
  return fault_of_job(job).empty() ? std::optional(job) : std::nullopt;
}

}  // namespace

/// Not synced: after a power cut, the file in the checkout, which is, stands for it.
void log_update(const board& here, const status_record& record, const std::string& text) try {
  lockkit::ensure_directory(log_of(here));
  const std::string name = fmt::format("{}-{}{}", record.updated, record.job, ending);
  lockkit::publish(log_of(here) / name, text, lockkit::durability::visible);
} catch (const lockkit::error& wrong) {
  here.say("not logged: {}", wrong.what());
}

std::vector<logged_update> logged_updates(const board& here, const std::string& job) {
  std::vector<logged_update> result;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(log_of(here), ec)) {
    const auto found = job_of(entry.path().filename().native());
    if (!found || (!job.empty() && *found != job)) continue;
    std::ifstream file(entry.path());
    result.push_back({*found, std::string(std::istreambuf_iterator<char>(file), {}), entry.path()});
  }
  std::ranges::sort(result, {}, &logged_update::file);
  return result;
}

void forget(const std::vector<logged_update>& updates) {
  std::error_code ec;
  for (const logged_update& each : updates) fs::remove(each.file, ec);
}

}  // namespace status_board
