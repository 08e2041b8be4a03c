#pragma once
/// The checkout follows what was published: rule 9 of board.hpp. With the lock held.

#include <string>

#include "board.hpp"

namespace status_board {

/// Finishes or takes back what a killed process had begun. To be called before anything else is done under the lock.
/// False: it has to wait, since the index is locked, perhaps by the killed one's git that is still at work.
[[nodiscard]] bool finish_move(const board& here);

/// Puts the branch, the index and the files of the checkout where `head` is, with those of ours upon it that are not
/// published yet. Says why, if they stay where they are. After finish_move.
void follow(const board& here, const std::string& head);

}  // namespace status_board
