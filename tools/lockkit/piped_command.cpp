#include "piped_command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <thread>

#include "exit_code.hpp"
#include "foreground_command.hpp"

namespace lockkit_command {
namespace {

/// The pipe is our own standard output while it lives: the program inherits it there.
class piped_output {
 public:
  piped_output() : saved_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::system_category(), "cannot make a pipe");
    ::dup2(ends_[1], STDOUT_FILENO);
    ::close(ends_[1]);
  }
  ~piped_output() { restore(); }
  piped_output(const piped_output&) = delete;
  piped_output& operator=(const piped_output&) = delete;

  [[nodiscard]] int read_end() const noexcept { return ends_[0]; }
  /// The reader then sees the end, once nobody else has the pipe.
  void restore() noexcept {
    if (saved_ < 0) return;
    ::dup2(saved_, STDOUT_FILENO);
    ::close(saved_);
    saved_ = -1;
  }

 private:
  int saved_;
  std::array<int, 2> ends_{-1, -1};
};

/// Something that one thread tells the other.
class event {
 public:
  event() : fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "cannot make an event");
  }
  ~event() { ::close(fd_); }
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  void tell() const noexcept { ::eventfd_write(fd_, 1); }
  [[nodiscard]] bool was_told_within(int milliseconds) const noexcept {
    pollfd waited = {fd_, POLLIN, 0};
    return ::poll(&waited, 1, milliseconds) > 0;
  }

 private:
  int fd_;
};

/// What the program left behind may keep the pipe for long. Signals are blocked, and looked for. 0, or as run_piped.
int wait_for_reader(const foreground_command& command, const event& ended) {
  while (!ended.was_told_within(50)) {
    command.stop_if_asked();
    if (const int number = command.pending_signal(); number != 0) return by_signal + number;
  }
  return done;
}

}  // namespace

int run_piped(const std::vector<std::string>& arguments, const std::function<void(int, int)>& read_output) {
  foreground_command command;  // blocks signals for the reader, too
  piped_output pipe;
  const event stop;
  const event ended;
  std::exception_ptr thrown;
  std::jthread reader([&] {
    try {
      read_output(pipe.read_end(), stop.fd());
    } catch (...) {
      thrown = std::current_exception();
    }
    ::close(pipe.read_end());
    ended.tell();
  });
  int code = command.run(arguments);
  pipe.restore();
  if (code == done) code = wait_for_reader(command, ended);
  if (code != done) stop.tell();
  reader.join();
  if (thrown != nullptr) std::rethrow_exception(thrown);
  return code;
}

}  // namespace lockkit_command
