#pragma once
/// What ends a command: a message for people and an exit status for scripts, as sysexits.h names them.

#include <sysexits.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace fetching {

enum class exit_status : int {
  ok = EX_OK,
  usage = EX_USAGE,              ///< wrong arguments
  bad_data = EX_DATAERR,         ///< a wrong catalogue, content without the promised size or digest, damage found
  no_input = EX_NOINPUT,         ///< no such name, URL, file or cached data set
  unavailable = EX_UNAVAILABLE,  ///< the server can't be reached or keeps failing
  software = EX_SOFTWARE,        ///< an error nobody foresaw
  cannot_create = EX_CANTCREAT,  ///< the destination holds something else, or can't be made
  io_error = EX_IOERR,           ///< reading or writing failed
  try_later = EX_TEMPFAIL,       ///< waited too long for another's fetch
  no_permission = EX_NOPERM,     ///< a file, a directory or the server refuses access
};

class failure : public std::runtime_error {
 public:
  failure(exit_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  [[nodiscard]] exit_status status() const noexcept { return status_; }

 private:
  exit_status status_;
};

[[nodiscard]] exit_status status_of(const std::error_code& code) noexcept;
[[nodiscard]] exit_status status_of(const std::exception& thrown) noexcept;

}  // namespace fetching
