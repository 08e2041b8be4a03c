#pragma once
/// A program under test in the background, its output in files.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

struct tool_result {
  int status = 0;
  std::string out;
  std::string err;
};

/// Ended with SIGKILL when destroyed, and when the test is.
class running_program {
 public:
  running_program(const scratch_directory& where, const std::vector<std::string>& command);
  /// Waits until stderr has `text`; false if that takes more than 20 s.
  [[nodiscard]] bool says(const std::string& text) const;
  /// The same with stdout.
  [[nodiscard]] bool prints(const std::string& text) const;
  [[nodiscard]] std::string errors() const { return read_file(err_); }
  [[nodiscard]] int pid() const { return process_->pid(); }
  void signal(int number) const { process_->signal(number); }
  [[nodiscard]] tool_result wait();

 private:
  std::filesystem::path out_;
  std::filesystem::path err_;
  std::unique_ptr<child_process> process_;
};

/// Replaces this (forked) process; it dies with the test.
[[noreturn]] void execute(const std::vector<std::string>& arguments);
void redirect(int descriptor, const std::filesystem::path& file);

/// Looks every 10 ms, for 20 s at the most.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

}  // namespace testing
