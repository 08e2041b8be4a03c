#pragma once
/// What git stores, by its plumbing: nothing here looks at, or changes, the checkout or its index.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "board.hpp"

namespace status_board {

/// The branch that is checked out, "refs/heads/...". Throws failure if HEAD is detached (a rebase, a bisection).
[[nodiscard]] std::string current_branch(const board& here);
/// The commit of a ref; empty if there is none.
[[nodiscard]] std::string commit_of(const board& here, const std::string& ref);

/// Path -> blob of the status files in a commit. Empty for an empty commit name.
using tree_entries = std::map<std::string, std::string>;
[[nodiscard]] tree_entries status_entries(const board& here, const std::string& commit);
/// Object -> content, for all at once.
[[nodiscard]] std::map<std::string, std::string> contents(const board& here, const std::vector<std::string>& objects);
[[nodiscard]] std::string write_blob(const board& here, std::string_view text);

/// A line of update-index --index-info.
[[nodiscard]] std::string index_line(const std::string& path, const std::string& blob);

/// An index of our own, from a commit's tree, in which single paths are changed. Goes with the object; what a killed
/// process left goes with a later one.
class private_index {
 public:
  private_index(const board& here, const std::string& commit);
  ~private_index();
  private_index(const private_index&) = delete;
  private_index& operator=(const private_index&) = delete;
  /// An empty blob removes the path. Throws failure where somebody has a file that the path would need as a directory, or
  /// the other way round: --index-info would remove theirs.
  void set(const std::string& path, const std::string& blob);
  [[nodiscard]] std::string write_tree();

 private:
  [[nodiscard]] std::map<std::string, std::string> environment() const;

  const board& here_;
  std::filesystem::path directory_;
};

/// Who and when, as git writes it: "Name <email> 1700000000 +0000". Empty: the board, now.
struct new_commit {
  std::string tree;
  std::string parent;  ///< empty: none
  std::string message;
  std::string author{};
};
[[nodiscard]] std::string write_commit(const board& here, const new_commit& what);

/// Rule 2. False: the ref is not at `from` any more, or git's lock on it is taken; why() says which.
[[nodiscard]] bool move_ref(const board& here, const std::string& ref, const std::string& to, const std::string& from,
                            std::string& why);

}  // namespace status_board
