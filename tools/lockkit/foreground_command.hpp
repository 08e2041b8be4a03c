#pragma once
/// Runs a program in the foreground and stands in for it: signals sent to us reach it, its end becomes ours.
///
/// Signals are blocked from construction on, so that none can end us between taking a lock and releasing it. A signal
/// from the terminal reaches the program by itself and is not passed on twice. SIGTSTP is passed on, and then stops us,
/// too; what holds the program up otherwise (SIGSTOP) leaves us waiting. Signals that we were started to ignore stay
/// ignored, for the program too.

#include <csignal>
#include <string>
#include <vector>

namespace lockkit_command {

class foreground_command {
 public:
  foreground_command();

  /// The number of a signal that asks us to end and has arrived already; 0 if there is none.
  [[nodiscard]] int pending_signal() const;
  /// Stops (Ctrl-Z) if that has been asked for meanwhile; returns when continued.
  void stop_if_asked() const;
  /// Runs the program, without a shell, with the signal mask we were started with; it inherits stdin, stdout, stderr.
  /// With another number, its stdout is that descriptor instead.
  /// Returns its exit code, 128 + n if signal n ended it, 126 or 127 (with a message) if it can't be executed.
  [[nodiscard]] int run(const std::vector<std::string>& arguments, int standard_output = 1);

 private:
  [[nodiscard]] int follow(int pid) const;

  sigset_t passed_on_{};
  sigset_t original_{};
};

}  // namespace lockkit_command
