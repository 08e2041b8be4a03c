#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace testing {
namespace {

int reap(int pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void run_child(const std::function<int()>& body) {
  int code = 99;
  try {
    code = body();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "child: %s\n", failure.what());
  } catch (...) {
    std::fprintf(stderr, "child: an exception that is not a std::exception\n");
  }
  std::fflush(nullptr);
  ::_exit(code);
}

[[noreturn]] void exec(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  ::_exit(127);
}

}  // namespace

signal_pipe::signal_pipe() {
  if (::pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
}

signal_pipe::~signal_pipe() {
  close_read();
  close_write();
}

void signal_pipe::send(char byte) const {
  if (::write(ends_[1], &byte, 1) != 1) throw std::runtime_error("signal_pipe: nobody reads");
}

bool signal_pipe::ready(int milliseconds) const {
  pollfd waited = {ends_[0], POLLIN, 0};
  return ::poll(&waited, 1, milliseconds) > 0 && (waited.revents & POLLIN) != 0;
}

char signal_pipe::receive() const {
  pollfd waited = {ends_[0], POLLIN, 0};
  if (::poll(&waited, 1, 60'000) <= 0) throw std::runtime_error("signal_pipe: nothing came within 60 s");
  char byte = 0;
  if (::read(ends_[0], &byte, 1) != 1) throw std::runtime_error("signal_pipe: every writer is gone");
  return byte;
}

void signal_pipe::close_read() {
  if (ends_[0] >= 0) ::close(std::exchange(ends_[0], -1));
}

void signal_pipe::close_write() {
  if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
}

child_process::child_process(const std::function<int()>& body) {
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) run_child(body);
}

child_process::child_process(child_process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

child_process::~child_process() {
  if (pid_ > 0) kill();
}

void child_process::signal(int number) const {
  if (pid_ <= 0) throw std::logic_error("the child was waited for already");  // -1 would mean everybody
  ::kill(pid_, number);
}

int child_process::wait() {
  return reap(std::exchange(pid_, -1));
}

void child_process::kill() {
  signal(SIGKILL);
  wait();
}

int run_program(const std::vector<std::string>& arguments) {
  std::fflush(nullptr);
  const int pid = ::fork();
  if (pid == 0) exec(arguments);
  return reap(pid);
}

program_output capture_program(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  std::fflush(nullptr);
  const int pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 1);
    exec(arguments);
  }
  ::close(ends[1]);
  program_output result;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  result.status = reap(pid);
  return result;
}

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((std::filesystem::path(folder) / name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace testing
