#pragma once
/// Removing a whole tree, while others may still change it.

#include <system_error>

#include "platform/inode.hpp"

namespace lockkit::detail {

/// Removes the directory `name` with all that it holds, if it still is the open directory `tree`. Links are removed, never
/// followed; EBUSY for what is mounted in it, which is left alone. Directories of the own user that forbid it are opened up first. What others add meanwhile goes too, unless
/// they keep at it.
void remove_tree(int parent, const char* name, int tree, std::error_code& ec);

/// Whether this process would have to change the mode of its directory to open it, and so to lock it.
[[nodiscard]] bool can_be_made_listable(const platform::inode_facts& directory) noexcept;

struct removal_terms {
  bool sync_parent =
      true;  ///< so that no power cut brings the tree back half removed; false: that was done, or nothing
             ///< promised
  bool look_for_links = true;  ///< false: nobody can have linked to that name
};

/// The same for a tree that its maker has published, or lost, and others may use: only if nobody has a lock on it, and no
/// symbolic link in `parent` says `name`. False with a clear code: in use, or locks don't work there.
bool remove_unused_tree(int parent, const char* name, removal_terms terms, std::error_code& ec);
/// The same by who has the exclusive lock on the open directory `tree` already.
bool remove_locked_tree(int parent, const char* name, int tree, removal_terms terms, std::error_code& ec);

/// Whether a symbolic link in the open directory says `name`: a published version of the linked layout. True, with a code,
/// if it can't be told.
[[nodiscard]] bool is_linked(int directory, const char* name, std::error_code& ec);

}  // namespace lockkit::detail
