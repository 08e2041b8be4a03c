#pragma once
/// Everything of a tree to the disk.

#include <system_error>

namespace lockkit::detail {

/// Files and directories, bottom-up, the open root last: one by one, or with one sync of the whole filesystem if there are
/// many, or some that this process may not open. What can't be synced (FIFOs, sockets, devices) and what links lead to
/// is left alone: their names are in their directories.
void sync_tree(int root, std::error_code& ec);

/// The names in `directory`; where it can't be synced itself (opened without the right to read, some network filesystems),
/// the whole filesystem that `tree` lies in.
void sync_parent(int directory, int tree, std::error_code& ec) noexcept;

}  // namespace lockkit::detail
