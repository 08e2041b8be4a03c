#pragma once
/// Our commits put upon another head: rules 5 to 8 of board.hpp. Makes objects only; moves no ref.

#include <string>
#include <vector>

#include "board.hpp"

namespace status_board {

struct rebuilt_line {
  std::string tip;                     ///< `onto` with ours upon it
  std::vector<std::string> ours;       ///< what was put there, by the names of the originals
  std::vector<std::string> strangers;  ///< commits of others between `onto` and `from`: not in `tip` but for statuses
};

/// The commits of `from` that are not in `onto`, and not published there already, put upon `onto`.
[[nodiscard]] rebuilt_line rebuild(const board& here, const std::string& onto, const std::string& from);

}  // namespace status_board
