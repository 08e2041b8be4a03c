#include "client_call.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <limits>

#include <lockkit/deadline.hpp>

#include "pidfd.hpp"
#include "spawn.hpp"

namespace gpu_scheduler {
namespace {

/// A descriptor that closes itself.
class descriptor {
 public:
  explicit descriptor(int number = -1) noexcept : number_(number) {}
  ~descriptor() { close(); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return number_; }
  void close() noexcept {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

struct pipe_ends {
  explicit pipe_ends(std::array<int, 2> made) : read(made[0]), write(made[1]) {}
  descriptor read;
  descriptor write;
};

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
  return ends;
}

/// False: the end.
bool read_some(const descriptor& from, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
  if (count > 0) into.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && errno == EINTR);
}

int milliseconds_left(lockkit::deadline until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until.remaining());
  return static_cast<int>(std::min<std::int64_t>(left.count(), std::numeric_limits<int>::max()));
}

/// Both outputs until they end. False: the time is over.
bool read_outputs(pipe_ends& out, pipe_ends& err, client_answer& answer, lockkit::deadline until) {
  while (out.read.get() >= 0 || err.read.get() >= 0) {
    std::array<pollfd, 2> waited = {{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
    const int count = ::poll(waited.data(), waited.size(), milliseconds_left(until));
    if (count == 0 && until.expired()) return false;
    if (count <= 0) continue;
    if (waited[0].revents != 0 && !read_some(out.read, answer.output)) out.read.close();
    if (waited[1].revents != 0 && !read_some(err.read, answer.errors)) err.read.close();
  }
  return true;
}

/// A child that has not been waited for keeps its number.
bool wait_for_end(pid_t child, lockkit::deadline until) {
  const descriptor handle(::pidfd_open(child, 0));
  pollfd waited = {handle.get(), POLLIN, 0};
  while (::poll(&waited, 1, milliseconds_left(until)) <= 0) {
    if (until.expired()) return false;
  }
  return true;
}

int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::string client_answer::complaint() const {
  if (!started) return errors;
  const std::string said = errors.empty() ? "" : ": " + errors.substr(0, errors.find_last_not_of('\n') + 1);
  return ended ? fmt::format("exit status {}{}", status, said) : fmt::format("no answer in time{}", said);
}

client_answer call_client(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout) {
  client_answer answer;
  pipe_ends out(make_pipe());
  pipe_ends err(make_pipe());
  std::error_code ec;
  const pid_t child = spawn({.arguments = arguments,
                             .environment = {},
                             .directory = {},
                             .descriptors = {{out.write.get(), STDOUT_FILENO}, {err.write.get(), STDERR_FILENO}}},
                            ec);
  out.write.close();
  err.write.close();
  if (ec) {
    answer.errors = fmt::format("cannot execute '{}': {}", arguments.front(), ec.message());
    return answer;
  }
  const auto until = lockkit::deadline::after(timeout);
  answer.started = true;
  answer.ended = read_outputs(out, err, answer, until) && wait_for_end(child, until);
  if (!answer.ended) ::kill(child, SIGKILL);
  answer.status = reap(child);
  return answer;
}

std::string quote_for_shell(const std::string& word) {
  std::string result = "'";
  for (const char c : word) c == '\'' ? result += "'\\''" : result += c;
  return result + "'";
}

}  // namespace gpu_scheduler
