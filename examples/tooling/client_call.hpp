#pragma once
/// One call of a client program, as long as it may take.

#include <chrono>
#include <string>
#include <vector>

namespace gpu_scheduler {

struct client_answer {
  bool started = false;  ///< false: the program can't be executed; `errors` says why
  bool ended = false;    ///< false: it was killed after the time allowed
  int status = -1;       ///< exit status; 128 + signal
  std::string output;
  std::string errors;

  [[nodiscard]] bool succeeded() const noexcept { return started && ended && status == 0; }
  /// For a message.
  [[nodiscard]] std::string complaint() const;
};

[[nodiscard]] client_answer call_client(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout);

/// As one word for a POSIX shell.
[[nodiscard]] std::string quote_for_shell(const std::string& word);

}  // namespace gpu_scheduler
