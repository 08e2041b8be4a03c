#include "foreground_command.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "exit_code.hpp"

namespace lockkit_command {
namespace {

constexpr std::array ending_signals = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
constexpr std::array other_signals = {SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

int spawn(const std::vector<std::string>& arguments, const sigset_t& mask, pid_t& pid) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &mask);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawnp(&pid, pointers[0], nullptr, &attributes, pointers.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

}  // namespace

foreground_command::foreground_command() {
  ::sigemptyset(&passed_on_);
  for (const int number : ending_signals) ::sigaddset(&passed_on_, number);
  for (const int number : other_signals) ::sigaddset(&passed_on_, number);
  ::sigaddset(&passed_on_, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &passed_on_, &original_);
}

int foreground_command::pending_signal() const {
  sigset_t pending;
  ::sigpending(&pending);
  for (const int number : ending_signals) {
    if (::sigismember(&pending, number) == 1) return number;
  }
  return 0;
}

int foreground_command::run(const std::vector<std::string>& arguments) {
  pid_t pid = 0;
  const int error = spawn(arguments, original_, pid);
  if (error == 0) return follow(pid);
  fmt::print(stderr, "lockkit: cannot execute '{}': {}\n", arguments[0], std::strerror(error));
  return error == ENOENT ? not_found : cannot_execute;
}

int foreground_command::follow(int pid) const {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    siginfo_t info{};
    const int number = ::sigwaitinfo(&passed_on_, &info);
    if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL) ::kill(pid, number);
  }
}

}  // namespace lockkit_command
