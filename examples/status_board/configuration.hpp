#pragma once
/// What can be set: the keys of status_board.yaml (README.md describes them).

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace status_board {

struct configuration {
  std::string lock = "status_board";  ///< the lock file is .git/<lock>.lock
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  bool reclaim_dead = true;
  std::optional<std::chrono::milliseconds> reclaim_empty_after;
  std::string remote;  ///< empty: the branch's own, else origin
  std::string branch;  ///< on the remote; empty: the branch's own upstream, else the same name
  unsigned push_attempts = 10;
  std::chrono::milliseconds first_pause = std::chrono::milliseconds(100);
  std::chrono::milliseconds longest_pause = std::chrono::seconds(5);
  std::chrono::milliseconds network_timeout = std::chrono::seconds(60);
  std::optional<std::chrono::milliseconds> reclaim_ref_locks_after = std::chrono::minutes(10);
  std::optional<std::chrono::milliseconds> reclaim_index_lock_after;
  std::string author_name = "status_board";
  std::string author_email;  ///< empty: status_board@host
};

/// `given`; else `<git directory>/status_board.yaml` if there is one: never a file of the checkout, which everybody who
/// pushes can change.
[[nodiscard]] configuration read_configuration(const std::filesystem::path& given,
                                               const std::filesystem::path& git_directory);

}  // namespace status_board
