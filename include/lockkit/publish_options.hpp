#pragma once
/// What publishing promises, and how: the words that staged_file, publish_batch and publish_if_unchanged share.
///
///   durability    readers, kill -9      after a power cut                     costs
///   visible       old or new            old, new or an EMPTY file             no sync
///   consistent    old or new            old or new                            fsync(file)
///   durable       old or new            new, once commit returned             fsync(file), fsync(directory)
///   durable_path  old or new            new, also if directories on the       and fsync of each directory above it, up
///                                       path were made a moment ago           to the root of its mount
///   (measured on ext4, xfs and btrfs; see docs/durability.md)
///
/// durable_path looks at no directory's age and keeps no memory of what it synced: whoever made a directory, this process
/// or another one that has not synced it yet, the file is found after a power cut. A directory whose parent is on the
/// disk already costs a look and a flush of the disk's cache. Directories that this process may not read, it can't sync;
/// what lies below them is synced, which carries their names along on ext4, xfs and btrfs.

#include <filesystem>
#include <optional>

namespace lockkit::inline v0 {

enum class durability { visible, consistent, durable, durable_path };

enum class publish_mode {
  replace,  ///< whatever regular file stands there is replaced. Anything else is left alone: std::errc::is_a_directory
            ///< for directories, errc::not_a_regular_file for FIFOs, sockets and devices
  if_absent,  ///< only if nothing stands there, not even a dangling link
};

/// After an error it says nothing.
enum class publish_result {
  published,
  already_exists,  ///< if_absent: somebody was first; nothing was changed
};

/// What to do when the target is a symbolic link.
enum class symlink_policy {
  replace,  ///< the link itself is replaced by the file
  follow,   ///< the file that it leads to is replaced, or made if it is missing; the link stays. At most 40 links, and
            ///< none that another user put into a sticky directory that everybody writes to (/tmp)
};

/// Whose mode, owner, ACL and extended attributes the file has.
enum class metadata_policy {
  fresh,     ///< a new file's
  preserve,  ///< those of the regular file that it replaces, if there is one, as far as this process may: a group that
  ///< can't be kept gets no more rights than everybody. What was not kept, publish_report says. Attributes that
  ///< vouch for the old content (security.capability, ima, evm) are never taken over
  preserve_or_fail,  ///< the same, but what can't be kept is an error (EPERM or the kernel's), and nothing is published
};

/// An unset part is this process's.
struct file_owner {
  std::optional<unsigned> user{};
  std::optional<unsigned> group{};
};

struct publish_options {
  publish_mode mode = publish_mode::replace;
  std::optional<std::filesystem::perms> permissions{};  ///< unset: 0666 under the umask and default ACL, as open() does
  symlink_policy symlinks = symlink_policy::replace;
  bool create_parents = false;  ///< make missing directories of the path, as ensure_directory does
  metadata_policy metadata = metadata_policy::fresh;
  file_owner owner{};  ///< goes before what is preserved, as permissions do; an error if it can't be had
  /// Publish only what nobody can write to any more: a forked child that kept the descriptor, a thread that is not done.
  /// Where such a writer remains, a copy that nobody else ever had open is published instead.
  bool seal = false;
};

enum class seal_result {
  not_asked,
  sealed,    ///< no writable description of the file existed when it got its name
  copied,    ///< somebody could still write: a fresh copy was published
  unsealed,  ///< the kernel can't tell here (another owner's file, a filesystem without leases)
};

/// What became of the wishes that publishing grants as far as it can.
struct publish_report {
  seal_result seal = seal_result::not_asked;
  bool owner_kept = true;       ///< metadata_policy::preserve
  bool attributes_kept = true;  ///< likewise: ACL and extended attributes
};

}  // namespace lockkit::inline v0
