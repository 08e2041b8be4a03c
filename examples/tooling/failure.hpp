#pragma once
/// What ends a command: a message for people and an exit status for scripts, as sysexits.h names them.

#include <sysexits.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tooling {

enum class exit_status : int {
  ok = EX_OK,
  usage = EX_USAGE,              ///< wrong arguments
  bad_data = EX_DATAERR,         ///< a wrong configuration or case file, a database of another program
  no_input = EX_NOINPUT,         ///< no such file, case or task
  unavailable = EX_UNAVAILABLE,  ///< the executor can't be reached
  software = EX_SOFTWARE,        ///< an error nobody foresaw
  cannot_create = EX_CANTCREAT,  ///< a file or a directory can't be made
  io_error = EX_IOERR,           ///< reading or writing failed
  try_later = EX_TEMPFAIL,       ///< not now: somebody else is at work
  no_permission = EX_NOPERM,     ///< a file or a directory refuses access
};

class failure : public std::runtime_error {
 public:
  failure(exit_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  [[nodiscard]] exit_status status() const noexcept { return status_; }

 private:
  exit_status status_;
};

[[nodiscard]] exit_status status_of(const std::exception& thrown) noexcept;

}  // namespace tooling
