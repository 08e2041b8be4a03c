#pragma once
/// Another process as the witness: forked children that run a function, pipes to shake hands over.

#include <functional>
#include <string>
#include <vector>

namespace testing {

/// A pipe whose ends close with it. One byte at a time: "I am there", "go on".
class signal_pipe {
 public:
  signal_pipe();
  ~signal_pipe();
  signal_pipe(const signal_pipe&) = delete;
  signal_pipe& operator=(const signal_pipe&) = delete;
  void send(char byte = '.') const;
  /// Blocks until a byte comes; throws if every writer is gone, or after 60 s (a hang must fail, not stall).
  char receive() const;
  /// Whether a byte comes within `milliseconds`.
  bool ready(int milliseconds) const;
  void close_read();
  void close_write();
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }

 private:
  int ends_[2];
};

/// A forked child that runs `body` and exits with what it returns (99 if it throws, the message on stderr). Waited for,
/// or killed and reaped, when destroyed.
class child_process {
 public:
  explicit child_process(const std::function<int()>& body);
  ~child_process();
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&&) = delete;
  int pid() const { return pid_; }
  void signal(int number) const;
  /// Exit code, or 128 + signal.
  int wait();
  /// SIGKILL and reap.
  void kill();

 private:
  int pid_;
};

/// Runs a program (searched in PATH) without a shell; 128 + signal if killed.
int run_program(const std::vector<std::string>& arguments);
/// The same, with what it printed on stdout.
struct program_output {
  int status;
  std::string text;
};
program_output capture_program(const std::vector<std::string>& arguments);
/// Whether a program of that name lies in PATH.
bool has_program(const std::string& name);

}  // namespace testing
