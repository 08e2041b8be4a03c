#include "support/syscall_sweep.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <stdexcept>

namespace testing {
namespace {

// close(mark) is a call that nothing else makes: it begins and ends the counted part.
constexpr int begin_mark = -4711;
constexpr int end_mark = -4712;

[[noreturn]] void traced_child(const std::function<void()>& prepare, const std::function<void()>& body) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  int code = 0;
  try {
    prepare();
    ::close(begin_mark);
    body();
    ::close(end_mark);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "traced child: %s\n", failure.what());
    code = 99;
  }
  ::_exit(code);
}

/// The call that a stopped child is about to make.
struct entered_call {
  bool entry;
  long number;
  int first_argument;
};

entered_call stopped_at(int pid) {
  __ptrace_syscall_info info{};
  ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return {false, -1, 0};
  return {true, static_cast<long>(info.entry.nr), static_cast<int>(info.entry.args[0])};
}

class tracer {
 public:
  tracer(int pid, std::size_t kill_before) : pid_(pid), kill_before_(kill_before) {}

  traced_run follow() {
    int status = wait_for_stop();
    ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(status)) {
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) look();
      if (result_.killed) return result_;
      const int signal = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
      ::ptrace(PTRACE_SYSCALL, pid_, nullptr, signal);
      status = wait_for_stop();
    }
    result_.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result_;
  }

 private:
  int wait_for_stop() const {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) throw std::runtime_error("waitpid failed");
    return status;
  }

  void look() {
    const entered_call call = stopped_at(pid_);
    if (!call.entry) return;
    constexpr long close_number = SYS_close;
    if (call.number == close_number && call.first_argument == begin_mark) {
      counting_ = true;
    } else if (call.number == close_number && call.first_argument == end_mark) {
      counting_ = false;
    } else if (counting_) {
      result_.calls.push_back(call.number);
      if (result_.calls.size() == kill_before_) kill();
    }
  }

  void kill() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status)) {
    }
    result_.killed = true;
  }

  int pid_;
  std::size_t kill_before_;
  bool counting_ = false;
  traced_run result_;
};

}  // namespace

traced_run run_traced(const std::function<void()>& prepare, const std::function<void()>& body,
                      std::size_t kill_before) {
  std::fflush(nullptr);
  const int pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) traced_child(prepare, body);
  return tracer(pid, kill_before).follow();
}

std::size_t kill_at_every_call(const std::function<void()>& prepare, const std::function<void()>& body,
                               const std::function<void(std::size_t)>& check) {
  for (std::size_t point = 1;; ++point) {
    const traced_run run = run_traced(prepare, body, point);
    if (!run.killed && run.status != 0) throw std::runtime_error("the traced child failed by itself");
    if (!run.killed) return point - 1;
    check(point);
  }
}

}  // namespace testing
