#pragma once
/// A fetch by a command that writes to a file it is given.

#include <string>
#include <vector>

#include <lockkit/mirror_cache.hpp>

namespace lockkit_command {

/// Runs the command with a name for a file in LOCKKIT_FILE and in place of each argument "{}". The file, in a new
/// directory below TMPDIR, is brought into the sink if the command exits with 0. Throws failure with the command's exit
/// code if not, failure(bad_data) where it left no regular file of that name.
void fetch_by_command(const std::vector<std::string>& command, lockkit::fetch_sink& sink);

}  // namespace lockkit_command
