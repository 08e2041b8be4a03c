#include "case_table.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <map>

#include "job.hpp"

namespace gpu_scheduler {

using std::chrono::duration;

duration<double> case_row::waited(wall_time now) const {
  const bool never = attempts.empty() && task.ended.has_value();
  const wall_time end = !attempts.empty() ? attempts.front().taken : never ? *task.ended : now;
  return std::max(duration<double>(end - task.submitted), duration<double>(0));
}

duration<double> case_row::ran(wall_time now) const {
  duration<double> sum(0);
  for (const lockkit::task_attempt& each : attempts) sum += each.ended.value_or(now) - each.taken;
  return std::max(sum, duration<double>(0));
}

std::string case_row::resources() const {
  return attempts.empty() ? "" : names_of(attempts.back().items);
}

std::vector<lockkit::task_attempt> all_attempts(const lockkit::task_queue& queue) {
  std::vector<lockkit::task_attempt> result;
  for (auto page = queue.history(); !page.empty(); page = queue.history(page.back().id)) {
    result.insert(result.end(), page.begin(), page.end());
  }
  return result;
}

std::vector<case_row> all_cases(const lockkit::task_queue& queue) {
  std::vector<case_row> result;
  std::map<std::uint64_t, std::size_t> places;
  lockkit::task_filter filter;
  for (auto page = queue.list(filter); !page.empty(); page = queue.list(filter)) {
    filter.after = page.back().id;
    for (lockkit::task_status& each : page) {
      places[each.id] = result.size();
      result.push_back({std::move(each), {}});
    }
  }
  for (lockkit::task_attempt& each : all_attempts(queue)) {
    const auto place = places.find(each.task);
    if (place != places.end()) result[place->second].attempts.push_back(std::move(each));
  }
  return result;
}

std::string describe_duration(duration<double> time) {
  const double seconds = time.count();
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return text;
}

std::string describe_time(wall_time time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace gpu_scheduler
