#include "process_handle.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace lockkit_command {

process_handle::process_handle(int pid, std::error_code& ec) noexcept
    : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
  ec = fd_ < 0 ? std::error_code(errno, std::system_category()) : std::error_code();
}

process_handle::~process_handle() {
  if (fd_ >= 0) ::close(fd_);
}

bool process_handle::wait(std::chrono::milliseconds longest) const noexcept {
  pollfd waited = {fd_, POLLIN, 0};
  return ::poll(&waited, 1, static_cast<int>(longest.count())) > 0;
}

void process_handle::signal(int number, std::error_code& ec) const noexcept {
  const bool sent = ::syscall(SYS_pidfd_send_signal, fd_, number, nullptr, 0) == 0;
  ec = sent ? std::error_code() : std::error_code(errno, std::system_category());
}

std::string process_name(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace lockkit_command
