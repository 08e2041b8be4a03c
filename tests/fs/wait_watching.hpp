#pragma once
/// What tests see of those who wait for a lock: their marks, from a description of the test's own.

#include <fcntl.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "fs/wait_marks.hpp"
#include "platform/unique_fd.hpp"

namespace testing {

class wait_watch {
 public:
  explicit wait_watch(const std::filesystem::path& inode)
      : fd_(::open(inode.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (!fd_) throw std::runtime_error("cannot watch " + inode.string());
  }
  bool is_marked(std::uint64_t byte) const { return lockkit::platform::is_byte_locked(fd_.get(), byte); }
  /// Whether any mark of those who wait is set, of whatever kind.
  bool is_anybody_waiting() const {
    return lockkit::detail::find_waiters(fd_.get()).any || is_marked(lockkit::detail::mark::writers_byte) ||
           is_marked(lockkit::detail::mark::readers_byte);
  }
  /// Until a writer keeps readers back.
  void await_writer() const { await(lockkit::detail::mark::writers_byte); }
  /// Until a reader keeps writers back.
  void await_due_reader() const { await(lockkit::detail::mark::readers_byte); }
  /// Until somebody waits.
  void await_presence() const { await(lockkit::platform::presence_byte); }
  void await_ticket(std::uint64_t number) const { await(lockkit::detail::mark::first_ticket + number); }

 private:
  void await(std::uint64_t byte) const {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_marked(byte)) {
      if (std::chrono::steady_clock::now() > patience) throw std::runtime_error("nobody has set that mark");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  lockkit::platform::unique_fd fd_;
};

}  // namespace testing
