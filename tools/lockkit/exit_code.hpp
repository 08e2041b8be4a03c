#pragma once
/// Exit codes of the lockkit command, after sysexits.h where it has one.

#include <system_error>

namespace lockkit_command {

enum exit_code : int {
  done = 0,
  wrong_usage = 64,
  bad_data = 65,
  unsupported = 69,    ///< the filesystem can't keep the promise
  cannot_create = 73,  ///< the lock's directory is missing, or something else stands at its name
  io_error = 74,
  not_in_time = 75,  ///< the lock was not free before the timeout
  no_permission = 77,
  cannot_execute = 126,  ///< as shells say it
  not_found = 127,
};

/// The code for a failed operation of the library.
[[nodiscard]] exit_code exit_code_for(const std::error_code& ec) noexcept;

}  // namespace lockkit_command
