#pragma once
/// git's own lock files, which a git that was killed leaves for ever: nothing in them says whose they are.
///
/// They are removed only after a time that the configuration names, by the file's age. A branch's is held for
/// milliseconds, so ten minutes are proof enough by default; .git/index.lock may be held for as long as somebody writes a
/// commit message, so that one is left alone unless a time is given. Nothing that we send needs the index.

#include <string>

#include "board.hpp"

namespace status_board {

/// Those in the way of moving `ref`, and of the index. With the board's lock held. Says what it removed.
void reclaim_git_locks(const board& here, const std::string& ref);
/// That of our note of the remote's head: without it nothing can be fetched. Takes the board's lock if there is one.
void reclaim_tracking_lock(const board& here, const std::string& ref);
/// ".git/index.lock, 12 s old" if it is there; else empty.
[[nodiscard]] std::string index_lock_in_the_way(const board& here);

}  // namespace status_board
