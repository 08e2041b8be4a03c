#pragma once
/// A process by its descriptor (pidfd): it stays this one, whatever becomes of its number.

#include <chrono>
#include <string>
#include <system_error>

namespace lockkit_command {

class process_handle {
 public:
  /// errc: no_such_process, invalid_argument for a thread that is no process, function_not_supported before Linux 5.3.
  process_handle(int pid, std::error_code& ec) noexcept;
  /// Takes over an open descriptor.
  explicit process_handle(int fd) noexcept : fd_(fd) {}
  ~process_handle();
  process_handle(const process_handle&) = delete;
  process_handle& operator=(const process_handle&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool has_ended() const noexcept { return wait(std::chrono::milliseconds(0)); }
  /// False: it lives on.
  [[nodiscard]] bool wait(std::chrono::milliseconds longest) const noexcept;
  /// 0 only asks whether it may be sent one.
  void signal(int number, std::error_code& ec) const noexcept;

 private:
  int fd_ = -1;
};

/// Up to 15 bytes of its name; empty if there is no such process.
[[nodiscard]] std::string process_name(int pid);

}  // namespace lockkit_command
