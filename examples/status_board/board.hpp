#pragma once
/// One checkout's board: what every command works with. The rules by which jobs, syncs, people and old scripts share a
/// checkout and its remote; what follows them is committing.cpp, rebuilding.cpp, publishing.cpp and following.cpp.
///
///  1. The job's file in the checkout is the truth of its status, and is written first, atomically and without any lock:
///     whatever comes then (a lock that is not had, a crash, a full disk, no network), the status is there, and the next
///     update or sync finds it newer than the branch and commits it. The update is logged beside it (update_log.hpp), so
///     that it has its commit even if the job's next update comes first.
///  2. A commit is made under the lock .git/<lock>.lock, which excludes old scripts that take it with `set -C`. It is
///     made from a private index that has the branch's tree and the one file, and the branch is moved only from the commit
///     it was built on (update-ref with the old value). Nobody's staged or dirty file can get into it, .git/index.lock of
///     others is not in its way, and a person's commit in the same moment is never undone.
///  3. Afterwards the file's own entry in .git/index is brought up to the branch; else the index would say that the
///     commit is to be undone, and the next person's `git commit` would do so. No other entry is touched. If the index is
///     locked, it is left for the next update or sync.
///  4. The network is used without the lock: no job waits for it. What is sent are commits, which nobody can change.
///  5. Pushed is the remote's head plus our commits, rebuilt upon it, never forced: the remote refuses what does not
///     contain what others pushed meanwhile. Then it is fetched again, rebuilt again and tried again, after a growing and
///     jittered pause.
///  6. Ours are commits that change status files and nothing else, also those of old scripts. Anybody's other unpushed
///     commits are neither sent nor moved: whether they are finished is not ours to say. Only a status in one (somebody's
///     `commit -a`) is sent, as a commit of its own, if it is later: the job has said it, and nobody would send it else.
///  7. A rebuilt commit names what it was made from (Status-Board-Origin), so that a crash between push and clean-up, or
///     two syncs at once, send nothing twice.
///  8. A conflict can only be on one job's file, when that job was updated in two checkouts: the later update (`updated` in
///     the file) is the file's content, the other one stays in the history as a commit of its own that changes nothing.
///  9. Then the checkout follows, under the lock: branch, index and files go to the published head as in a fast-forward,
///     all of it or nothing (git's two-way merge of trees). If a file that would change is dirty, staged or untracked
///     here, or the branch has commits of others that are not published, the checkout stays where it is, and says so.
///     The files go first, then the branch: a crash between leaves what is published as changes that are not committed
///     yet, where the other order would leave the undoing of it. A note written before (.git/<lock>.moving) lets the next
///     one finish, or take back, what was begun.
/// 10. Never: stash, reset, merge, force, or any command that touches what it was not told to.

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "configuration.hpp"
#include "git.hpp"
#include "repository.hpp"

namespace status_board {

struct board {
  board(const std::filesystem::path& checkout, const std::filesystem::path& configuration_file, std::string what);

  repository place;
  configuration settings;
  git program;
  std::string purpose;  ///< "update job-a": for others who wait for us

  /// One line on stderr, with what this process is.
  void say(std::string_view text) const;
  template <class... T>
  void say(fmt::format_string<T...> form, T&&... values) const {
    say(std::string_view(fmt::format(form, std::forward<T>(values)...)));
  }

  [[nodiscard]] std::filesystem::path lock_path() const;
  /// Rule 2: nothing if it was not had in time, or not at all; says who had it.
  [[nodiscard]] std::optional<lockkit::lock_file> lock() const;
  /// Releases it, and says so if a script had removed it meanwhile.
  void unlock(lockkit::lock_file& held) const;
  /// Held for moments: by those who write a status without the lock, and while the checkout's files are exchanged.
  [[nodiscard]] lockkit::file_mutex files_mutex() const;
};

}  // namespace status_board
