#include "dead_script.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/filesystem.hpp>
#include <charconv>
#include <sstream>

#include "core/owner_record.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

namespace bfs = boost::filesystem;

constexpr std::size_t usual_status = 16384;
constexpr std::size_t longest_status = std::size_t{1024} * 1024;  // 65,536 groups stand before the numbers

/// The value of a line of /proc/PID/status; empty if there is none.
std::string line_of(const std::string& status, std::string_view key) {
  const std::size_t at = status.find(key);
  if (at == std::string::npos) return {};
  return status.substr(at + key.size(), status.find('\n', at + key.size()) - at - key.size());
}

/// Only its parent has not been told yet. A process whose first thread ended looks the same, but has others.
bool is_zombie(const std::string& status) {
  return line_of(status, "\nState:\t").starts_with('Z') && line_of(status, "\nThreads:\t") == "1";
}

/// One process's numbers, from ours down to its own namespace: "NSpid:	4711	12".
bool has_number(const std::string& status, std::int32_t pid) {
  std::istringstream line(line_of(status, "\nNSpid:"));
  for (std::int32_t number = 0; line >> number;) {
    if (number == pid) return true;
  }
  return false;
}

/// By one entry of /proc. True as well when it can't be read, or not up to its numbers.
bool may_be(const std::string& entry, std::int32_t pid) {
  std::error_code ec;
  const std::string file = "/proc/" + entry + "/status";
  std::string status = platform::read_small_file(AT_FDCWD, file.c_str(), usual_status, ec);
  if (!ec && status.size() == usual_status) {
    status = platform::read_small_file(AT_FDCWD, file.c_str(), longest_status, ec);
  }
  if (ec == std::errc::no_such_file_or_directory || ec == std::errc::no_such_process) return false;
  if (ec) return true;
  if (is_zombie(status)) return false;
  return has_number(status, pid) || status.size() == longest_status;
}

/// Rule 1. True as well when /proc can't tell: it is another's, or hides the processes of others (hidepid), the first one
/// among them.
bool lives_below(std::int32_t pid) {
  boost::system::error_code stop;
  bool saw_myself = false;
  bool saw_first = false;
  const std::string own = std::to_string(platform::current_pid());
  for (bfs::directory_iterator process("/proc", stop), end; !stop && process != end; process.increment(stop)) {
    const std::string name = process->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    saw_myself = saw_myself || name == own;
    saw_first = saw_first || name == "1";
    if (may_be(name, pid)) return true;
  }
  return stop || !saw_myself || !saw_first;
}

/// Rule 3.
bool is_older_than(const struct stat& file, std::chrono::nanoseconds age) {
  const auto in_nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  const std::int64_t touched = std::max(in_nanoseconds(file.st_mtim), in_nanoseconds(file.st_ctim));
  const auto now = static_cast<std::int64_t>(platform::wall_clock_ns());
  return now >= touched && now - touched >= age.count();
}

}  // namespace

bool is_nobodys(std::int32_t pid) {
  std::error_code ec;
  const platform::unique_fd process = platform::open_process(pid, ec);
  const bool gone = ec == std::errc::no_such_process || (!ec && platform::has_ended(process.get()));
  return gone && !lives_below(pid);
}

bool is_left_by_dead_script(std::string_view content, const struct stat& file, const lock_options& options) {
  if (file.st_size == 0) return options.reclaim_empty_after && is_older_than(file, *options.reclaim_empty_after);
  const auto script = parse_foreign(content);
  const bool only_a_number = script && content.find('\n') >= content.size() - 1;  // one line at most
  return only_a_number && static_cast<std::size_t>(file.st_size) == content.size() && is_nobodys(script->pid);
}

}  // namespace lockkit::detail
