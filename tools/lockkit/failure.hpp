#pragma once
/// What ends a subcommand without being an error of the library, and what becomes of all that is thrown.

#include <fmt/format.h>

#include <functional>
#include <stdexcept>

#include "exit_code.hpp"

namespace lockkit_command {

/// A message for people and an exit code.
class failure : public std::runtime_error {
 public:
  failure(exit_code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

/// What `body` returns; or, after saying on stderr what it threw, the exit code for that.
[[nodiscard]] int guarded(const std::function<int()>& body) noexcept;

}  // namespace lockkit_command
