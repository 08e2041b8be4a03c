#include "git.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <lockkit/deadline.hpp>
#include <system_error>

#include "descriptor.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"
#include "tooling/pidfd.hpp"
#include "tooling/spawn.hpp"

namespace status_board {

using tooling::exit_status;
using tooling::failure;

namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::system_category(), call);
}

struct channel {
  channel() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
    read = descriptor(ends[0]);
    write = descriptor(ends[1]);
  }
  descriptor read;
  descriptor write;
};

/// A file in memory, so that nobody has to write while somebody reads.
descriptor file_with(std::string_view text) {
  descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) fail("memfd_create");
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno != EINTR) fail("write");
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) fail("lseek");
  return file;
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

/// Until it has ended and nothing is left to read; what it left behind may keep its outputs open. False: in time it was
/// not.
bool read_until_end(pid_t child, channel& out, channel& err, git_answer& answer, lockkit::deadline until) {
  const descriptor process(::pidfd_open(child, 0));
  for (bool ended = false;;) {
    std::array<pollfd, 3> waited = {
        {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {ended ? -1 : process.get(), POLLIN, 0}}};
    const int count = ::poll(waited.data(), waited.size(), ended ? 0 : milliseconds_left(until));
    if (count == 0 && ended) return true;
    if (until.expired()) return ended;
    if (count <= 0) continue;
    if (waited[0].revents != 0 && !read_some(out.read, answer.out)) out.read.close();
    if (waited[1].revents != 0 && !read_some(err.read, answer.err)) err.read.close();
    if (waited[2].revents != 0) ended = true;
  }
}

int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Of the whole call, for messages: the first word that is no option.
std::string name_of(const git::call& what) {
  return fmt::format("git {}", what.arguments.front());
}

}  // namespace

void clean_environment(const std::filesystem::path& ceiling) {
  std::vector<std::string> unwanted = {"SSH_ASKPASS"};
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry = *each;
    if (entry.starts_with("GIT_")) unwanted.emplace_back(entry.substr(0, entry.find('=')));
  }
  for (const std::string& name : unwanted) ::unsetenv(name.c_str());
  for (const auto& [name, value] : std::map<std::string, std::string>{{"LC_ALL", "C"},
                                                                      {"GIT_TERMINAL_PROMPT", "0"},
                                                                      {"GIT_OPTIONAL_LOCKS", "0"},
                                                                      {"GIT_LITERAL_PATHSPECS", "1"},
                                                                      {"GIT_NO_REPLACE_OBJECTS", "1"},
                                                                      {"GIT_CEILING_DIRECTORIES", ceiling.native()},
                                                                      {"SSH_ASKPASS_REQUIRE", "never"}}) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
}

std::string git_answer::complaint() const {
  std::string_view said = err.empty() ? std::string_view(out) : std::string_view(err);
  while (said.ends_with('\n')) said.remove_suffix(1);
  std::string line = printable(said.substr(0, 1000));
  for (std::size_t at = 0; (at = line.find("\\x0a", at)) != std::string::npos;) line.replace(at, 4, "; ");
  return line.empty() ? fmt::format("exit status {}", status) : line;
}

git_answer git::run(const call& what) const {
  std::vector<std::string> words = {"git",
                                    "-C",
                                    checkout_.native(),
                                    "-c",
                                    "core.hooksPath=/dev/null",
                                    "-c",
                                    "core.askPass=",
                                    "-c",
                                    "core.fsmonitor=false",
                                    "-c",
                                    "gc.auto=0",
                                    "-c",
                                    "maintenance.auto=false",
                                    "-c",
                                    "core.quotePath=false",
                                    "-c",
                                    "advice.detachedHead=false"};
  words.insert(words.end(), what.arguments.begin(), what.arguments.end());
  channel out;
  channel err;
  const descriptor input = file_with(what.input);
  std::error_code ec;
  const pid_t child = tooling::spawn(
      {.arguments = words,
       .environment = what.environment,
       .directory = {},
       .descriptors = {{input.get(), STDIN_FILENO}, {out.write.get(), STDOUT_FILENO}, {err.write.get(), STDERR_FILENO}},
       .new_session = true},
      ec);
  if (ec) throw failure(exit_status::unavailable, fmt::format("cannot execute 'git': {}", ec.message()));
  out.write.close();
  err.write.close();
  git_answer answer;
  const bool ended = read_until_end(child, out, err, answer, lockkit::deadline::after(what.timeout));
  if (!ended) ::kill(-child, SIGKILL);
  answer.status = reap(child);
  if (!ended) {
    throw failure(exit_status::unavailable, fmt::format("{} did not end within {} s", name_of(what),
                                                        std::chrono::duration<double>(what.timeout).count()));
  }
  return answer;
}

std::string git::text(const call& what) const {
  git_answer answer = run(what);
  if (!answer.ok()) throw failure(exit_status::io_error, fmt::format("{}: {}", name_of(what), answer.complaint()));
  if (answer.out.ends_with('\n')) answer.out.pop_back();
  return answer.out;
}

std::vector<std::string> split_at_nul(std::string_view output) {
  std::vector<std::string> parts;
  while (!output.empty()) {
    const std::size_t end = output.find('\0');
    parts.emplace_back(output.substr(0, end));
    if (end == std::string_view::npos) break;
    output.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace status_board
