#pragma once
/// A power cut after each step: what stands on the disk when the power goes at any moment of an operation.
///
/// The steps run in a child process on a new filesystem in an image file. The child is held after each system call that
/// may have changed something (with LOCKKIT_TEST_LONG set and no bystander, at every one), and once more at its end; if
/// anything was written to the image since, the image is copied, mounted as it is. Each copy is mounted afterwards, so that
/// its journal is replayed, and handed to a check. That shows the state in which everything that was sent to the disk so far
/// is on it and nothing later. Old or empty files there are proofs of a hole; new ones are evidence, since a real disk can
/// also reorder. A further source of states is what others on the same filesystem do meanwhile: see bystander.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace testing {

/// What somebody else does on the same filesystem each time the child is held. Journals are
/// common property: who syncs a file can send other files' names to the disk without their data.
enum class bystander {
  none,
  syncs_a_file,      ///< writes to and fsyncs a file of his own, "/bystander"
  syncs_everything,  ///< syncfs: as though the kernel had written everything back by itself
};
/// All of them with LOCKKIT_TEST_LONG set; else none, and (not under sanitizers) one who syncs a file.
std::vector<bystander> bystanders_to_try();

struct power_cut {
  std::string filesystem;  ///< "ext4", "xfs", "btrfs"
  bystander other = bystander::none;
  std::size_t calls = 0;       ///< so many of the steps' system calls had been made
  bool finished = false;       ///< the steps had returned: what was promised durably must be there
  std::filesystem::path root;  ///< where the copy is mounted, writable; the steps' root at that moment
};

/// One kind of filesystem. `prepare` runs in this process in the root of a new filesystem, which is then synced; `steps`
/// (single-threaded) in the child in the same root; `check` in this process for each cut, in order. The last cut is the
/// finished one, and always there. Returns how many cuts there were; nothing where such a filesystem can't be made and
/// mounted. Throws if the steps do, or if a copy can't be mounted.
std::optional<std::size_t> for_each_power_cut(const std::string& kind, bystander other,
                                              const std::function<void(const std::filesystem::path& root)>& prepare,
                                              const std::function<void(const std::filesystem::path& root)>& steps,
                                              const std::function<void(const power_cut&)>& check);

/// The same on ext4, xfs and btrfs, one after the other, beside each of the bystanders. Warns of those that can't be had
/// here.
void on_every_power_cut(const std::vector<bystander>& others,
                        const std::function<void(const std::filesystem::path& root)>& prepare,
                        const std::function<void(const std::filesystem::path& root)>& steps,
                        const std::function<void(const power_cut&)>& check);

/// For INFO: "ext4, after 12 calls, somebody else syncing a file".
std::string describe(const power_cut& cut);

}  // namespace testing
