// Rules, each with its reason.
//  1. The process is named by its pidfd, opened before anything else: its number may be somebody else's by the time that
//     the claim is had.
//  2. What is held is taken after the fork: neither a lock's owner nor SQLite survives one.
//  3. The resident closes what it has inherited: a flock, or the writing end of a pipe, would be held by it for as long as
//     it lives.
//  4. Until it has answered it is killed when we are, and then what it waits for or has taken ends with it. From there on
//     it stays only if it is told that its answer was printed: nobody could release what nobody knows of.
#include "resident.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>

#include <lockkit/deadline.hpp>

#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "options.hpp"
#include "process_handle.hpp"

namespace lockkit_command {
namespace {

using begin_function = std::function<std::unique_ptr<holding>(std::stop_token, int&)>;

void check(int process, const process_handle& opened, std::error_code ec) {
  if (process != 0 && !ec && opened.has_ended()) ec = std::make_error_code(std::errc::no_such_process);
  if (!ec) return;
  throw failure(bad_data, fmt::format("cannot hold anything for pid {}: {}; name a process that lives, such as $$ in a "
                                      "script",
                                      process, ec.message()));
}

class resident {
 public:
  /// A process with the descriptor -1 never ends.
  resident(const process_handle& process, std::chrono::nanoseconds time, int line)
      : process_(process), time_(time), line_(line) {}

  [[noreturn]] void live(const begin_function& begin) {
    close_inherited();
    const std::stop_source stop;
    if (process_.fd() >= 0) std::thread([this, stop] { stop_at_end(stop); }).detach();
    std::unique_ptr<holding> held;
    std::string answer;
    const int code = guarded([&] {
      int result = done;
      held = begin(stop.get_token(), result);
      if (held) answer = held->answer();
      return result;
    });
    if (held && code == done) {
      ::prctl(PR_SET_PDEATHSIG, 0);
      leave_session();
      if (was_printed(answer)) hold(*held);
      held.reset();
    }
    ::_exit(code);
  }

 private:
  /// Rule 3. The standard streams are still needed for messages.
  void close_inherited() const noexcept {
    std::array kept = {process_.fd(), line_};
    std::ranges::sort(kept);
    auto first = static_cast<unsigned>(STDERR_FILENO) + 1;
    for (const int each : kept) {
      const auto number = static_cast<unsigned>(std::max(each, STDERR_FILENO));
      if (number > first) ::close_range(first, number - 1, 0);
      first = number + 1;
    }
    ::close_range(first, UINT_MAX, 0);
  }

  /// On a thread of its own, which ends with the process.
  void stop_at_end(std::stop_source stop) const {
    while (!process_.wait(std::chrono::milliseconds(-1))) {
    }
    stop.request_stop();
  }

  /// The terminal's signals are not ours, nor is the directory; and "$(lockkit ...)" waits for its pipe to be closed.
  static void leave_session() noexcept {
    ::setsid();
    [[maybe_unused]] const int moved = ::chdir("/");
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, stream);
    ::close(nothing);
  }

  /// Rule 4.
  [[nodiscard]] bool was_printed(const std::string& answer) const noexcept {
    const std::size_t size = answer.size() + 1;  // its NUL says that it is complete
    for (std::size_t sent = 0; sent < size;) {
      const ssize_t n = ::send(line_, answer.c_str() + sent, size - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EINTR) return false;
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    ::shutdown(line_, SHUT_WR);
    char yes = 0;
    return ::recv(line_, &yes, 1, 0) == 1;
  }

  void hold(holding& held) const {
    ::close(line_);
    const auto until = lockkit::deadline::after(time_);
    while (!until.expired()) {
      const auto left = std::min<std::chrono::nanoseconds>(held.interval(), until.remaining());
      if (process_.wait(std::chrono::ceil<std::chrono::milliseconds>(left)) || !held.stands()) return;
    }
  }

  const process_handle& process_;
  std::chrono::nanoseconds time_;
  int line_;
};

std::string read_answer(int line) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::recv(line, buffer.data(), buffer.size(), 0);
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return text;
  }
}

int exit_code_of(pid_t child) noexcept {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return io_error;
  }
  return WIFSIGNALED(status) ? by_signal + WTERMSIG(status) : WEXITSTATUS(status);
}

/// In the process that was called.
int deliver(int line, pid_t child) {
  const std::string text = read_answer(line);
  if (text.empty() || text.back() != '\0') return exit_code_of(child);
  fmt::print("{}\n", text.c_str());
  const bool printed = std::fflush(stdout) == 0;
  if (printed && ::send(line, "y", 1, MSG_NOSIGNAL) == 1) return done;
  ::close(line);
  static_cast<void>(exit_code_of(child));
  if (printed) say("the process that was to stay behind has been killed; nothing is held");
  return io_error;  // the frame says that it could not be printed
}

}  // namespace

void add_resident(CLI::App& app, resident_arguments& given) {
  app.add_option("--for-pid", given.process, "As long as this process lives; in a shell script: $$")
      ->check(CLI::Range(1, INT_MAX).description(""))
      ->type_name("PID");
  add_duration(app, "--for", given.time, "So long at the most");
}

int stay_behind(const resident_arguments& given, const begin_function& begin) {
  std::error_code ec;
  const process_handle process = given.process == 0 ? process_handle(-1) : process_handle(given.process, ec);
  check(given.process, process, ec);
  std::array<int, 2> line{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line.data()) != 0) {
    throw std::system_error(errno, std::system_category(), "cannot make a socket");
  }
  const pid_t parent = ::getpid();
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "cannot fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(io_error);
    ::close(line[0]);
    resident(process, given.time, line[1]).live(begin);
  }
  ::close(line[1]);
  return deliver(line[0], child);
}

}  // namespace lockkit_command
