#pragma once
/// Exit codes of the lockkit command, after sysexits.h where it has one.

#include <system_error>

namespace lockkit_command {

enum exit_code : int {
  done = 0,
  answer_is_no = 1,  ///< nothing is wrong, but nothing was done: it is there already, it is not yours any more
  wrong_usage = 64,
  bad_data = 65,       ///< what was given or found can't be used: no such process, damaged, another program's
  unsupported = 69,    ///< the filesystem can't keep the promise; a part of lockkit is not installed
  cannot_create = 73,  ///< a directory is missing, the disk is full, or something else stands at the name
  io_error = 74,
  not_in_time = 75,  ///< not free before the timeout; try again later
  no_permission = 77,
  cannot_execute = 126,  ///< as shells say it
  not_found = 127,
  by_signal = 128,  ///< + n
};

/// The code for a failed operation of the library.
[[nodiscard]] exit_code exit_code_for(const std::error_code& ec) noexcept;

/// What every help text and man page says of them.
[[nodiscard]] const char* exit_codes_text() noexcept;

}  // namespace lockkit_command
