#pragma once
/// Where a checkout keeps its things.

#include <filesystem>

namespace status_board {

struct repository {
  std::filesystem::path checkout;    ///< absolute, without symbolic links
  std::filesystem::path git_dir;     ///< of this checkout: index and HEAD
  std::filesystem::path common_dir;  ///< of all worktrees of the repository: branches, our lock. Mostly the same
};

/// `path` is the top of a checkout. A linked worktree (`.git` is a file) is one: it shares the lock of its repository,
/// since it shares the branches. Bare repositories, directories inside a checkout and everything else are refused.
/// Cleans the environment of this process (git.hpp).
[[nodiscard]] repository open_repository(const std::filesystem::path& path);

}  // namespace status_board
