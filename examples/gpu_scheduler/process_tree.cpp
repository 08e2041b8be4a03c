#include "process_tree.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tooling/pidfd.hpp"

namespace gpu_scheduler {
namespace {

struct process {
  pid_t parent = 0;
  std::uint64_t started = 0;  ///< tells a process from another that got its number
};

/// The name in /proc/PID/stat may hold blanks and parentheses: what counts stands behind the last of these.
std::optional<process> look_at(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text, '\0');
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(end + 1));
  std::string skipped;
  process result;
  fields >> skipped >> result.parent;
  for (int field = 5; field < 22; ++field) fields >> skipped;
  fields >> result.started;
  return fields ? std::optional(result) : std::nullopt;
}

std::map<pid_t, process> all_processes() {
  std::map<pid_t, process> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (const auto found = look_at(pid)) result[pid] = *found;
  }
  return result;
}

std::map<pid_t, process> tree_below(pid_t root) {
  const std::map<pid_t, process> all = all_processes();
  std::map<pid_t, process> result;
  std::vector<pid_t> open = {root};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    for (const auto& [pid, found] : all) {
      if (found.parent == parent && result.emplace(pid, found).second) open.push_back(pid);
    }
  }
  return result;
}

/// A number may have got another process since it was seen: the descriptor stays with the one that it was opened for,
/// and that is compared.
void send(pid_t pid, const process& seen, int signal) {
  const int descriptor = ::pidfd_open(pid, 0);
  if (descriptor < 0) return;
  const auto now = look_at(pid);
  if (now && now->started == seen.started) ::pidfd_send_signal(descriptor, signal, nullptr, 0);
  ::close(descriptor);
}

}  // namespace

void become_reaper() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void signal_tree(int signal) {
  for (const auto& [pid, seen] : tree_below(::getpid())) send(pid, seen, signal);
}

}  // namespace gpu_scheduler
