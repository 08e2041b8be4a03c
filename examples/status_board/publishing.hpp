#pragma once
/// From the branch to the remote: rules 4 to 7 of board.hpp. Without the lock.

#include <string>

#include "board.hpp"

namespace status_board {

/// Where a branch is published.
struct upstream {
  std::string remote;    ///< origin
  std::string branch;    ///< refs/heads/main, on the remote
  std::string tracking;  ///< refs/remotes/origin/main, what we know of it
};
[[nodiscard]] upstream find_upstream(const board& here, const std::string& local_branch);

struct publication {
  bool done = false;
  std::string head;  ///< the remote's, as we know it
  std::size_t sent = 0;
  std::size_t refused = 0;
  std::size_t strangers = 0;
  std::string trouble;
};
/// Sends what is ours of `tip`, as often as it is refused, up to the configuration's limit.
[[nodiscard]] publication publish_commits(const board& here, const upstream& where, const std::string& tip);

}  // namespace status_board
