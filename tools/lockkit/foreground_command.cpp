#include "foreground_command.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "exit_code.hpp"
#include "message.hpp"

namespace lockkit_command {
namespace {

constexpr std::array ending_signals = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
// Left as they are: what can't be blocked, and what stops us together with the command. Not SIGABRT, SIGSEGV and their
// like: sent by somebody, they would end us, and the command would go on without what we hold. A fault of our own ends
// us also while they are blocked.
constexpr std::array own_signals = {SIGKILL, SIGSTOP, SIGTTIN, SIGTTOU};

bool is_ignored(int number) {
  struct sigaction action{};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

int spawn(const std::vector<std::string>& arguments, const sigset_t& mask, int standard_output, pid_t& pid) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) {
    // NOLINTNEXTLINE(*-const-cast): posix_spawn reads only; its parameter is older than const
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &mask);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t streams;
  ::posix_spawn_file_actions_init(&streams);
  if (standard_output != STDOUT_FILENO) ::posix_spawn_file_actions_adddup2(&streams, standard_output, STDOUT_FILENO);
  const int error = ::posix_spawnp(&pid, pointers[0], &streams, &attributes, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&streams);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

/// A pending SIGTSTP acts here, and the call returns once we are continued. The kernel decides: in an orphaned process
/// group, where nobody could continue us, it does nothing.
void let_stop() {
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTSTP);
  ::sigprocmask(SIG_UNBLOCK, &stop, nullptr);
  ::sigprocmask(SIG_BLOCK, &stop, nullptr);
}

}  // namespace

foreground_command::foreground_command() {
  ::sigfillset(&passed_on_);
  for (const int number : own_signals) ::sigdelset(&passed_on_, number);
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (number != SIGCHLD && is_ignored(number)) ::sigdelset(&passed_on_, number);
  }
  ::sigprocmask(SIG_BLOCK, &passed_on_, &original_);
}

int foreground_command::pending_signal() const {
  sigset_t pending;
  ::sigpending(&pending);
  for (const int number : ending_signals) {
    if (::sigismember(&pending, number) == 1 && ::sigismember(&passed_on_, number) == 1) return number;
  }
  return 0;
}

void foreground_command::stop_if_asked() const {
  sigset_t pending;
  ::sigpending(&pending);
  if (::sigismember(&passed_on_, SIGTSTP) == 1 && ::sigismember(&pending, SIGTSTP) == 1) let_stop();
}

int foreground_command::run(const std::vector<std::string>& arguments, int standard_output) {
  pid_t pid = 0;
  const int error = spawn(arguments, original_, standard_output, pid);
  if (error == 0) return follow(pid);
  say("cannot execute {}: {}", in_quotes(arguments[0]), std::strerror(error));
  return error == ENOENT ? not_found : cannot_execute;
}

int foreground_command::follow(int pid) const {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);  // orphans, too, that have become ours (claim run)
    if (ended > 0 && ended != pid) continue;
    if (ended == pid) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (ended < 0 && errno != EINTR) return io_error;  // somebody else reaped it
    siginfo_t info{};
    const int number = ::sigwaitinfo(&passed_on_, &info);
    // From the terminal, the command has it already; but a hangup is told to the session's leader alone.
    const bool has_it = info.si_code == SI_KERNEL && number != SIGHUP;
    if (number > 0 && number != SIGCHLD && !has_it) ::kill(pid, number);
    if (number == SIGTSTP) {
      ::raise(SIGTSTP);
      let_stop();
    }
  }
}

}  // namespace lockkit_command
