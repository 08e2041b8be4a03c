#pragma once
/// One call of a client program, as long as it may take.

#include <chrono>
#include <string>
#include <vector>

#include "tooling/spawn.hpp"

namespace tooling {

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

/// Runs it in a session of its own and keeps what it says. Whoever it leaves behind is not waited for; what takes longer
/// than allowed is killed with its children. `wanted` names no descriptor but, perhaps, its standard input.
[[nodiscard]] client_answer call_program(spawn_request wanted, std::chrono::milliseconds timeout);

/// Variables whose names begin so are kept from it, but for the one named in full in `but`.
struct withheld_variables {
  std::vector<std::string> beginnings{};
  std::string but{};
};
/// The same, for a client's command line.
[[nodiscard]] client_answer call_client(const std::vector<std::string>& arguments, std::chrono::milliseconds timeout,
                                        const withheld_variables& withheld = {});

/// As one word for a POSIX shell.
[[nodiscard]] std::string quote_for_shell(const std::string& word);

/// A client's call by way of a prefix such as [ssh, host]; each argument is quoted if a shell stands on the way.
[[nodiscard]] std::vector<std::string> by_way_of(const std::vector<std::string>& prefix, bool remote_shell,
                                                 const std::vector<std::string>& arguments);

}  // namespace tooling
