#pragma once
/// Descriptors and files of the doctor's probes.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace lockkit_command {

class probe_file {
 public:
  probe_file(const std::filesystem::path& path, int flags) noexcept
      : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)), error_(fd_ < 0 ? errno : 0) {}
  ~probe_file() {
    if (fd_ >= 0) ::close(fd_);
  }
  probe_file(const probe_file&) = delete;
  probe_file& operator=(const probe_file&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// Of opening it.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  int fd_;
  int error_;
};

/// errno as a text, after a call that returned `result`; empty if that was a success.
[[nodiscard]] inline std::string failure_of(int result) {
  return result >= 0 ? std::string() : std::error_code(errno, std::system_category()).message();
}

}  // namespace lockkit_command
