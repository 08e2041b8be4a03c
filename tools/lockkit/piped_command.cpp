#include "piped_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <thread>

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

}  // namespace

int run_piped(const std::vector<std::string>& arguments, const std::function<void(int)>& read_output) {
  foreground_command command;  // blocks signals for the reader, too
  piped_output pipe;
  std::exception_ptr thrown;
  std::jthread reader([&] {
    try {
      read_output(pipe.read_end());
    } catch (...) {
      thrown = std::current_exception();
    }
    ::close(pipe.read_end());
  });
  const int code = command.run(arguments);
  pipe.restore();
  reader.join();
  if (thrown != nullptr) std::rethrow_exception(thrown);
  return code;
}

}  // namespace lockkit_command
