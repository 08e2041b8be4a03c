#pragma once
/// The second program, lockkit-store: subcommands that need SQLite, OpenSSL or curl. Loading these takes longer than
/// `lockkit run` takes in all, so they are not part of lockkit itself, which becomes the other program when asked for one
/// of its subcommands (as git does).

namespace lockkit_command {

/// Does not return unless it fails; then returns the exit code. Looked for beside this program (as it is built), then
/// where it is installed, relative to this program, so that a moved installation works.
[[nodiscard]] int run_other_program(char** argv);

}  // namespace lockkit_command
