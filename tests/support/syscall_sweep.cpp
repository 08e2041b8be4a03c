#include "support/syscall_sweep.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <utility>

namespace testing {
namespace {

// close(mark) is a call that nothing else makes: it begins and ends the counted part.
constexpr int begin_mark = -4711;
constexpr int end_mark = -4712;
constexpr int pause_mark = -4713;
constexpr int resume_mark = -4714;

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
  unsigned long third_argument;
};

/// Calls that change nothing that a filesystem stores; every other may.
bool changes_nothing(const entered_call& call) {
  static constexpr std::array harmless = {
      SYS_close,    SYS_fstat,   SYS_newfstatat, SYS_statx,   SYS_getdents64, SYS_flock,  SYS_fcntl, SYS_readlinkat,
      SYS_read,     SYS_pread64, SYS_lseek,      SYS_mmap,    SYS_munmap,     SYS_brk,    SYS_futex, SYS_getrandom,
      SYS_mprotect, SYS_madvise, SYS_getpid,     SYS_geteuid, SYS_statfs,     SYS_fstatfs};
  const bool opens = call.number == SYS_openat && (call.third_argument & (O_CREAT | O_TRUNC | __O_TMPFILE)) == 0;
  return opens || std::ranges::find(harmless, call.number) != harmless.end();
}

entered_call stopped_at(int pid) {
  __ptrace_syscall_info info{};
  ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return {false, -1, 0, 0};
  return {true, static_cast<long>(info.entry.nr), static_cast<int>(info.entry.args[0]), info.entry.args[2]};
}

class tracer {
 public:
  /// At the entry of that call the signal is sent, SIGKILL or SIGSTOP.
  tracer(int pid, std::size_t call, int signal) : pid_(pid), kill_before_(call), signal_(signal) {}

  [[nodiscard]] bool has_stopped() const { return stopped_; }
  void look_on(watch_at where, const std::function<void(std::size_t, bool)>& at_each_call) {
    at_each_call_ = at_each_call;
    everywhere_ = where == watch_at::every_call;
  }

  traced_run follow() {
    int status = wait_for_stop();
    ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(status)) {
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) look();
      if (result_.killed || stopped_) return result_;
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
      if (at_each_call_) at_each_call_(result_.calls.size(), true);
    } else if (call.number == close_number && call.first_argument == pause_mark) {
      paused_ = std::exchange(counting_, false);
      changed_ = true;
    } else if (call.number == close_number && call.first_argument == resume_mark) {
      counting_ = paused_;
    } else if (counting_) {
      if (at_each_call_ && (everywhere_ || changed_)) at_each_call_(result_.calls.size(), false);
      changed_ = !changes_nothing(call);
      result_.calls.push_back(call.number);
      if (result_.calls.size() == kill_before_) signal_ == SIGSTOP ? stop() : kill();
    }
  }

  void kill() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status)) {
    }
    result_.killed = true;
  }

  /// Until it has stopped as everybody can be stopped, untraced.
  void stop() {
    ::kill(pid_, SIGSTOP);
    ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
    int status = 0;
    if (::waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status)) throw std::runtime_error("did not stop");
    stopped_ = true;
  }

  int pid_;
  std::size_t kill_before_;
  int signal_;
  bool stopped_ = false;
  bool counting_ = false;
  bool paused_ = false;
  bool everywhere_ = true;
  bool changed_ = true;  // since the last look
  std::function<void(std::size_t, bool)> at_each_call_;
  traced_run result_;
};

int start_traced(const std::function<void()>& prepare, const std::function<void()>& body) {
  std::fflush(nullptr);
  const int pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) traced_child(prepare, body);
  return pid;
}

/// Ends a stopped child, whatever happens meanwhile.
class stopped_child {
 public:
  explicit stopped_child(int pid) : pid_(pid) {}
  ~stopped_child() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  stopped_child(const stopped_child&) = delete;
  stopped_child& operator=(const stopped_child&) = delete;
  void has_ended() { pid_ = 0; }
  int go_on() {
    ::kill(pid_, SIGCONT);
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) throw std::runtime_error("waitpid failed");
    pid_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  int pid_;
};

}  // namespace

traced_run run_traced(const std::function<void()>& prepare, const std::function<void()>& body,
                      std::size_t kill_before) {
  return tracer(start_traced(prepare, body), kill_before, SIGKILL).follow();
}

void uncounted(const std::function<void()>& part) {
  ::close(pause_mark);
  part();
  ::close(resume_mark);
}

traced_run run_watched(watch_at where, const std::function<void()>& body,
                       const std::function<void(std::size_t calls, bool finished)>& at_each_call) {
  const int pid = start_traced([] {}, body);
  stopped_child child(pid);
  tracer follower(pid, 0, SIGKILL);
  follower.look_on(where, at_each_call);
  traced_run run = follower.follow();
  child.has_ended();
  return run;
}

stopped_run run_stopped(const std::function<void()>& prepare, const std::function<void()>& body, std::size_t stop_at,
                        const std::function<void()>& while_stopped) {
  const int pid = start_traced(prepare, body);
  tracer follower(pid, stop_at, SIGSTOP);
  const traced_run run = follower.follow();
  if (!follower.has_stopped()) return {false, run.status};
  stopped_child child(pid);
  while_stopped();
  return {true, child.go_on()};
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
