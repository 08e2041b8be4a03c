#pragma once
/// Names and texts that come from outside: what is accepted, and how anything is shown.

#include <string>
#include <string_view>

namespace status_board {

/// What is wrong with it, for a message; empty: nothing.
///
/// A job's name is the name of a file and stands in pages, on terminals and in commit messages. No program reads it as
/// anything but one argument, so quotes, `;`, `$(...)`, blanks and a leading '-' are letters like others. Refused are:
/// '/', a leading '.' (hidden files, '..', lockkit's guards), what is no UTF-8 (JSON can't hold it), control characters
/// and those that reverse the writing direction (they forge what a person reads), and more than 200 bytes (a file's
/// name has 255, and '.json' and the names of temporary files must fit).
[[nodiscard]] std::string fault_of_job(std::string_view name);
/// 1 to 32 of a-z, 0-9, '-' and '_'.
[[nodiscard]] std::string fault_of_state(std::string_view state);
/// Up to 2,000 bytes of UTF-8, as above; line breaks are allowed.
[[nodiscard]] std::string fault_of_message(std::string_view message);

/// Any bytes for a terminal, on one line: what is not to be shown as it is, as \xNN.
[[nodiscard]] std::string printable(std::string_view bytes);
/// Any bytes as text inside HTML, or inside one of its quoted attributes.
[[nodiscard]] std::string html(std::string_view bytes);

}  // namespace status_board
