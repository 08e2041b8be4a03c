#pragma once
/// What tests see of those who wait for a lock: their marks, from a description of the test's own.

#include <fcntl.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "fs/wait_marks.hpp"
#include "platform/unique_fd.hpp"

namespace testing {

/// Until the process is blocked in that system call, at so many looks in a row. False: it was not for long.
inline bool await_call(int pid, long number, int looks = 1) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int seen = 0; std::chrono::steady_clock::now() < patience;) {
    std::string call;  // "running", or the call's number
    std::ifstream("/proc/" + std::to_string(pid) + "/syscall") >> call;
    seen = call == std::to_string(number) ? seen + 1 : 0;
    if (seen == looks) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return false;
}

class wait_watch {
 public:
  explicit wait_watch(const std::filesystem::path& inode)
      : fd_(::open(inode.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (!fd_) throw std::runtime_error("cannot watch " + inode.string());
  }
  enum class dial : std::uint64_t {
    writers = lockkit::detail::mark::writers_dial,
    readers = lockkit::detail::mark::readers_dial
  };
  bool is_marked(std::uint64_t byte, std::uint64_t count = 1) const {
    std::error_code ec;
    return lockkit::platform::find_locked(fd_.get(), {byte, count}, ec) || ec;
  }
  /// By anybody, also by one who is stopped.
  bool is_marked(dial which) const { return is_marked(static_cast<std::uint64_t>(which), lockkit::detail::mark::dial); }
  /// By one who runs.
  bool is_closed(dial which) const {
    return lockkit::detail::is_door_closed(fd_.get(), static_cast<std::uint64_t>(which));
  }
  /// Whether any mark of those who wait is set, of whatever kind.
  bool is_anybody_waiting() const {
    return lockkit::detail::find_waiters(fd_.get()).any || is_marked(dial::writers) || is_marked(dial::readers);
  }
  /// Until a writer keeps readers back.
  void await_writer() const { await(dial::writers); }
  /// Until a reader keeps writers back.
  void await_due_reader() const { await(dial::readers); }
  /// Until somebody waits.
  void await_presence() const { await(lockkit::platform::presence_byte); }
  void await_ticket(std::uint64_t number) const { await(lockkit::detail::mark::first_ticket + number); }

 private:
  template <class Mark>
  void await(Mark what) const {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_marked(what)) {
      if (std::chrono::steady_clock::now() > patience) throw std::runtime_error("nobody has set that mark");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  lockkit::platform::unique_fd fd_;
};

}  // namespace testing
