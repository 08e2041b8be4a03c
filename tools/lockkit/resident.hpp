#pragma once
/// A process that stays behind and holds something for as long as another process lives: what a script takes in one
/// command and uses in the next ones.
///
///   lockkit (this process)                 the resident (a fork)
///     opens the pidfd of the process         begins: waits, takes; dies with us until it has answered
///     waits for the answer           <-      answers: the text, or its exit code
///     prints it, says so             ->      stays; or gives back, where nobody has printed it
///     exits                                  gives back when the process has ended, the time is over, or it is lost
///
/// The resident is in a session of its own, in /, with no descriptor of the caller's.

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace lockkit_command {

/// What a resident holds. Destroying it gives it back.
class holding {
 public:
  holding() = default;
  virtual ~holding() = default;
  holding(const holding&) = delete;
  holding& operator=(const holding&) = delete;

  /// For the script: printed with a newline behind it.
  [[nodiscard]] virtual std::string answer() const = 0;
  /// Asked at each `interval()`. False: somebody else has ended it, or it is over.
  [[nodiscard]] virtual bool stands() = 0;
  [[nodiscard]] virtual std::chrono::milliseconds interval() const { return std::chrono::seconds(1); }
};

struct resident_arguments {
  int process = 0;  ///< 0: none
  std::chrono::nanoseconds time = std::chrono::nanoseconds::max();

  /// Whether any of them was given.
  [[nodiscard]] bool is_wanted() const noexcept { return process != 0 || time != std::chrono::nanoseconds::max(); }
};

/// --for-pid and --for.
void add_resident(CLI::App& app, resident_arguments& given);

/// `begin` runs in the resident: it takes what is to be held, gives up when told to stop (the process has ended), and
/// returns it, or null together with the exit code after saying why. The exit code for this process.
[[nodiscard]] int stay_behind(const resident_arguments& given,
                              const std::function<std::unique_ptr<holding>(std::stop_token stop, int& code)>& begin);

}  // namespace lockkit_command
