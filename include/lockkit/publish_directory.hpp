#pragma once
/// staged_directory and publish_directory: make a finished directory tree visible in one step, and directory_snapshot:
/// read one version of it while others are published.
///
/// The tree is filled aside, in the target's own directory, by anybody: this process, other programs. It gets its place by
/// one rename: readers that open the target find the old tree or the new one, whole. durability means for a tree what it
/// means for a file (see publish_options.hpp), for everything in it: "visible" can leave empty files after a power cut,
/// "consistent" leaves the old tree or the new one, "durable" the new one once commit has returned, "durable_path" with
/// the directories above it.
///
///   layout    what the target is        replaced by            needs               a version's own path
///   in_place  the directory             exchanging two names   RENAME_EXCHANGE     changes when it is replaced
///   linked    a symbolic link to it     renaming a link        nothing particular  stays until it is removed
///
/// A replaced tree is removed when nobody reads it through a directory_snapshot any more: by commit if that is so at
/// once, else by a later sweep_leftovers or sweep_staged. What is mounted in it is never entered: the rest of the tree stays
/// until that is unmounted (a sweep says EBUSY). Who reads without a snapshot, by paths, can meet the next
/// version from one open to the next, or find a file gone.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/publish_options.hpp>

namespace lockkit::inline v0 {

enum class directory_layout {
  in_place,  ///< errc::unsupported_filesystem where names can't be exchanged, or made only if absent
  linked,    ///< on every filesystem with symbolic links. Versions lie beside the link as `.<name>.<26 characters>.lkd`
};

enum class old_tree {
  remove,          ///< by commit, if nobody reads it
  leave_to_sweep,  ///< commit takes no longer for it, however large it is
};

struct directory_publish_options {
  publish_mode mode = publish_mode::replace;            ///< replace: a directory (in_place), or such a link (linked)
  std::optional<std::filesystem::perms> permissions{};  ///< of the tree's root; unset: 0777 under umask or default ACL
  directory_layout layout = directory_layout::in_place;
  old_tree old = old_tree::remove;
};

/// A directory being filled aside: `.<name>.<26 characters>.lkd` beside the target. Used by one thread at a time.
/// Destroying it without commit() removes it; a crash leaves it to sweep_leftovers and sweep_staged, which know by its
/// kernel lock that nobody is left. A forked child can't commit (std::errc::operation_not_permitted), and removes nothing.
/// A child that is still there when the parent ends keeps the lock for as long as it lives.
class LOCKKIT_API staged_directory {
 public:
  /// The target's directory must exist. Names that can't be: as for staged_file.
  explicit staged_directory(const std::filesystem::path& target, directory_publish_options options = {});
  staged_directory(const std::filesystem::path& target, directory_publish_options options, std::error_code& ec);
  ~staged_directory();
  staged_directory(staged_directory&& other) noexcept;
  staged_directory& operator=(staged_directory&& other) noexcept;  ///< removes what the target had staged

  /// Where to fill it. Relative if the target was given so. Empty after commit or discard.
  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// The same as a descriptor, for openat. Owned by this object, close-on-exec. -1 after commit or discard.
  [[nodiscard]] int native_handle() const noexcept;
  [[nodiscard]] const std::filesystem::path& target() const noexcept;

  /// Makes the tree visible at the target. Once per object, whatever comes of it: std::errc::bad_file_descriptor the second
  /// time. Everything in the tree is synced first (not at level visible), except what can't be: FIFOs, sockets, devices;
  /// links are not followed. Nobody may change it any more meanwhile.
  /// if_absent: whatever stands there, an empty directory or a dangling link as well, means already_exists.
  /// std::errc::not_a_directory: replace, and something else than the layout's own kind stands there; left untouched.
  /// errc::published_not_durable: the tree is visible, but syncing the directory it lies in failed; then the old tree stays
  /// beside it. After any other error the target is what it was, and the staged tree is removed.
  publish_result commit(durability level = durability::consistent);
  publish_result commit(durability level, std::error_code& ec);
  /// Removes the tree. Also done by the destructor.
  void discard() noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// staged_directory, `fill` with the path to fill, commit. What `fill` throws passes through, and nothing is published.
LOCKKIT_API publish_result publish_directory(const std::filesystem::path& target,
                                             const std::function<void(const std::filesystem::path& staged)>& fill,
                                             durability level = durability::consistent,
                                             directory_publish_options options = {});

/// Publishes a copy of the tree at `source`: files (cloned where the filesystem can), directories and symbolic links, as
/// they are, with their modes; set-ID bits only of files that have the copy's owner and group.
/// errc::not_a_regular_file for a FIFO, a socket or a device in it; EINVAL if the target lies in `source`.
LOCKKIT_API publish_result publish_directory_copy(const std::filesystem::path& source,
                                                  const std::filesystem::path& target,
                                                  durability level = durability::consistent,
                                                  directory_publish_options options = {});
LOCKKIT_API publish_result publish_directory_copy(const std::filesystem::path& source,
                                                  const std::filesystem::path& target, durability level,
                                                  directory_publish_options options, std::error_code& ec);

/// One version of a published tree, complete and unchanged while this object lives, whatever is published meanwhile. Opened
/// by name, through links; works for both layouts, and for directories that lockkit did not publish as far as others leave
/// them alone. Used by one thread at a time; after fork the child's copy reads, too, but only the parent's keeps the tree.
class LOCKKIT_API directory_snapshot {
 public:
  explicit directory_snapshot(const std::filesystem::path& target);
  /// errc::unsupported_filesystem where kernel locks don't work.
  directory_snapshot(const std::filesystem::path& target, std::error_code& ec);
  ~directory_snapshot();
  directory_snapshot(directory_snapshot&& other) noexcept;
  directory_snapshot& operator=(directory_snapshot&& other) noexcept;

  /// For openat, fdopendir, fchdir: what is opened through it belongs to this version. Owned by this object, close-on-exec.
  /// -1 after an error.
  [[nodiscard]] int native_handle() const noexcept;
  /// For what takes only paths: through /proc, so that it leads to this version wherever it lies by now. Good in this
  /// process and in others of the same user, as long as this object lives.
  [[nodiscard]] std::filesystem::path path() const;
  /// A whole file of this version. `inside` is relative and without "..": errc::invalid_name otherwise.
  [[nodiscard]] std::string read(const std::filesystem::path& inside) const;
  [[nodiscard]] std::string read(const std::filesystem::path& inside, std::error_code& ec) const;
  /// Whether the target still leads to this version.
  [[nodiscard]] bool is_current() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
