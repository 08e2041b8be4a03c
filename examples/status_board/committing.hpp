#pragma once
/// From the checkout's files to the branch: rules 1 to 3 of board.hpp. With the lock held.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "board.hpp"

namespace status_board {

/// Whether `ours` is a later status than `theirs`, which differs. By `updated`; files without it (of old scripts) are
/// later than what stands there. What is no status (half a file, one with a merge's conflict marks) is never later than
/// one.
[[nodiscard]] bool is_later(std::string_view ours, std::string_view theirs);

struct commits_made {
  std::map<std::string, std::string> of_jobs;   ///< job -> its last commit
  std::map<std::string, std::string> outdated;  ///< job -> what the branch has, which is later than the file
  std::string trouble;  ///< why the rest could not be committed; empty: nothing is left to commit
};

/// The updates of `job` (empty: of all jobs) that were logged, and `files` (job -> content), as far as they are later than
/// the branch's: each in a commit of its own, in their order.
[[nodiscard]] commits_made commit_later(const board& here, const std::string& job,
                                        const std::map<std::string, std::string>& files);
/// Rule 3, for files that were committed while the index was locked.
void align_statuses(const board& here, const std::map<std::string, std::string>& files);

}  // namespace status_board
