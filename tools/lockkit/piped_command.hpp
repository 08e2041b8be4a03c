#pragma once
/// Runs a program in the foreground and reads what it writes to its standard output.

#include <functional>
#include <string>
#include <vector>

namespace lockkit_command {

/// `read_output` is called with the pipe's end, on another thread, while the program runs, and is to read to the end, or
/// until `stop` can be read:
/// when it returns early, the program is told by SIGPIPE. What it throws is thrown again here. The exit code as
/// foreground_command::run gives it; a process that the program left behind with its output open is waited for, unless the
/// program failed or a signal asks us to end: 128 + n then.
[[nodiscard]] int run_piped(const std::vector<std::string>& arguments,
                            const std::function<void(int descriptor, int stop)>& read_output);

}  // namespace lockkit_command
