#include "tooling/client_call.hpp"

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

#include "tooling/descriptor.hpp"
#include "tooling/pidfd.hpp"

namespace tooling {
namespace {

struct channel {
  channel() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
    read = descriptor(ends[0]);
    write = descriptor(ends[1]);
  }
  descriptor read;
  descriptor write;
};

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

/// Until the client has ended and nothing is left to read; somebody that it left behind (ssh's ControlPersist) may keep
/// the outputs open for ever. False: the time is over.
bool read_until_end(pid_t child, channel& out, channel& err, client_answer& answer, lockkit::deadline until) {
  const descriptor handle(::pidfd_open(child, 0));  // who has not been waited for keeps its number
  for (bool ended = false;;) {
    std::array<pollfd, 3> waited = {
        {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {ended ? -1 : handle.get(), POLLIN, 0}}};
    const int count = ::poll(waited.data(), waited.size(), ended ? 0 : milliseconds_left(until));
    if (count == 0 && ended) return true;
    if (until.expired()) return ended;
    if (count <= 0) continue;
    if (waited[0].revents != 0 && !read_some(out.read, answer.output)) out.read.close();
    if (waited[1].revents != 0 && !read_some(err.read, answer.errors)) err.read.close();
    if (waited[2].revents != 0) ended = true;
  }
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

client_answer call_program(spawn_request wanted, std::chrono::milliseconds timeout) {
  client_answer answer;
  channel out;
  channel err;
  wanted.descriptors.emplace_back(out.write.get(), STDOUT_FILENO);
  wanted.descriptors.emplace_back(err.write.get(), STDERR_FILENO);
  wanted.new_session = true;
  std::error_code ec;
  const pid_t child = spawn(wanted, ec);
  out.write.close();
  err.write.close();
  if (ec) {
    answer.errors = fmt::format("cannot execute '{}': {}", wanted.arguments.front(), ec.message());
    return answer;
  }
  answer.started = true;
  answer.ended = read_until_end(child, out, err, answer, lockkit::deadline::after(timeout));
  if (!answer.ended) ::kill(-child, SIGKILL);  // a script's children, too: they would go on to add the job
  answer.status = reap(child);
  return answer;
}

client_answer call_client(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout,
                          const withheld_variables& withheld) {
  return call_program({.arguments = arguments,
                       .environment = {},
                       .directory = {},
                       .descriptors = {},
                       .withheld = withheld.beginnings,
                       .but = withheld.but},
                      timeout);
}

std::string quote_for_shell(const std::string& word) {
  std::string result = "'";
  for (const char c : word) c == '\'' ? result += "'\\''" : result += c;
  return result + "'";
}

std::vector<std::string> by_way_of(const std::vector<std::string>& prefix, bool remote_shell,
                                   const std::vector<std::string>& arguments) {
  std::vector<std::string> result = prefix;
  for (const std::string& each : arguments) result.push_back(remote_shell ? quote_for_shell(each) : each);
  return result;
}

}  // namespace tooling
