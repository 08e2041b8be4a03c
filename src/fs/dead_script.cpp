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

constexpr std::size_t status_limit = 16384;

/// One process's numbers, from ours down to its own namespace: "NSpid:	4711	12".
bool has_number(const std::string& status, std::int32_t pid) {
  constexpr std::string_view key = "\nNSpid:";
  const std::size_t at = status.find(key);
  if (at == std::string::npos) return false;
  std::istringstream line(status.substr(at + key.size(), status.find('\n', at + key.size()) - at - key.size()));
  for (std::int32_t number = 0; line >> number;) {
    if (number == pid) return true;
  }
  return false;
}

/// Rule 1. True as well when /proc can't tell.
bool lives_below(std::int32_t pid) {
  boost::system::error_code stop;
  bool saw_myself = false;
  const std::string own = std::to_string(platform::current_pid());
  for (bfs::directory_iterator process("/proc", stop), end; !stop && process != end; process.increment(stop)) {
    const std::string name = process->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    saw_myself = saw_myself || name == own;
    std::error_code ec;
    const std::string file = "/proc/" + name + "/status";
    if (has_number(platform::read_small_file(AT_FDCWD, file.c_str(), status_limit, ec), pid)) return true;
  }
  return stop || !saw_myself;
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
