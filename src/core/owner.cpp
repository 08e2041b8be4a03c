#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <lockkit/owner.hpp>

#include "core/per_process.hpp"
#include "core/printable.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

namespace lockkit::inline v0 {
namespace {

std::string read_boot_id() {
  std::error_code ec;
  std::string text = platform::read_small_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, ec);
  std::erase_if(text, [](char c) { return c == '-' || c == '\n'; });
  return text.size() == 32 ? text : std::string(32, '0');
}

std::uint64_t read_pid_namespace() {
  std::error_code ec;
  // The link itself is followed: its inode is the namespace's number.
  const platform::unique_fd fd = platform::open_at(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY, 0, ec);
  return ec ? 0 : platform::status(fd.get(), ec).st_ino;
}

/// Field 22 of /proc/PID/stat; 0 if there is no such process. The command's name (field 2) may hold spaces and ')'.
std::uint64_t read_start_time(int pid) {
  std::error_code ec;
  const std::string stat = platform::read_small_file(AT_FDCWD, fmt::format("/proc/{}/stat", pid).c_str(), 1024, ec);
  std::size_t at = stat.rfind(')');
  for (int fields = 2; at != std::string::npos && fields < 22; ++fields) at = stat.find(' ', at + 1);
  std::uint64_t ticks = 0;
  if (at != std::string::npos) std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), ticks);
  return ticks;
}

owner identify() {
  owner self;
  std::error_code ec;
  self.pid = platform::current_pid();
  self.host = platform::host_name();
  self.boot_id = read_boot_id();
  self.pid_namespace = read_pid_namespace();
  self.pidfd_inode = platform::pidfd_inode(self.pid, ec);
  self.start_time = read_start_time(self.pid);
  self.command = std::string_view(program_invocation_short_name).substr(0, 15);
  return self;
}

liveness probe_by_start_time(const owner& process) {
  const std::uint64_t started = read_start_time(process.pid);
  if (started == 0) return liveness::dead;
  if (process.start_time == 0) return liveness::unknown;
  return started == process.start_time ? liveness::alive : liveness::dead;
}

}  // namespace

owner current_process() {
  static detail::per_process<owner> self;
  return self.get(identify);
}

liveness probe(const owner& process) {
  const owner self = current_process();
  if (process.boot_id.empty() || process.pid_namespace == 0 || process.pid <= 0) return liveness::unknown;
  if (process.boot_id != self.boot_id) return process.host == self.host ? liveness::dead : liveness::unknown;
  if (process.pid_namespace != self.pid_namespace) return liveness::unknown;
  std::error_code ec;
  const std::uint64_t inode = platform::pidfd_inode(process.pid, ec);
  if (ec == std::errc::no_such_process || ec == std::errc::invalid_argument) return liveness::dead;
  if (ec || inode == 0 || process.pidfd_inode == 0) return probe_by_start_time(process);
  return inode == process.pidfd_inode ? liveness::alive : liveness::dead;
}

std::string owner::describe() const {
  std::string text = pid > 0 ? fmt::format("pid {}", pid) : std::string("an unknown process");
  if (!host.empty()) text += fmt::format(" on host {}", host);
  if (!command.empty() && !label.empty()) text += fmt::format(" ({}, {})", command, label);
  if (!command.empty() && label.empty()) text += fmt::format(" ({})", command);
  text = detail::printable(text);
  if (since.time_since_epoch().count() > 0) {
    const auto held = std::chrono::system_clock::now() - since;
    text += fmt::format(", for {:.1f} s", std::max(0.0, std::chrono::duration<double>(held).count()));
  }
  return text;
}

}  // namespace lockkit::inline v0
