#pragma once
/// The processes below this one. It is their reaper (PR_SET_CHILD_SUBREAPER), so that none leaves the tree, whatever
/// sessions and groups they make.

namespace gpu_scheduler {

/// Orphans of the tree become children of this process from now on.
void become_reaper();

/// Sends the signal to every process below this one that is found. Processes that begin meanwhile may be missed: ask
/// again until none is left to wait for.
void signal_tree(int signal);

}  // namespace gpu_scheduler
