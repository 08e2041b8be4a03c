#pragma once
/// Folders that have settled: what somebody copied in, file by file, is complete as far as can be told from outside.
///
/// Nobody announces the end of a copy. A directory counts as settled when all of these hold:
///   - nothing inside has changed for the quiet time: no event of the kernel, and two looks at all names, types, sizes,
///     times and inode numbers, at least the quiet time apart, that agree;
///   - nothing inside has the name of an unfinished file;
///   - no process has a file inside open for writing, be it through a descriptor or a shared mapping;
///   - it holds the number of files that was asked for;
///   - the caller's own test, asked last, agrees.
/// Whatever happens anywhere inside starts the clock again. A person who pauses for longer than the quiet time between
/// two files looks exactly like one who has finished: where that matters, ask for a marker (settle_options::complete),
/// or have directories made elsewhere on the same filesystem and moved in whole.
///
///   seen as a change                   not seen as a change
///   any file, directory or link made,  reading; guards of locks (`.<name>.guard`);
///   written, renamed, removed, or      what lies behind a symbolic link
///   given other attributes
///
/// Caveats. Asking whether a file is open for writing costs an open and a lease for some microseconds; whoever opens
/// that file for writing in between waits that long, and is refused (EAGAIN) if it asked not to wait (O_NONBLOCK). No
/// signal reaches the program from that. On network filesystems, and where the system's limit of inotify watches or
/// instances is reached, changes are found by looking every quiet time (settle_result::events_seen), and writers on
/// other hosts stay invisible.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>
#include <lockkit/error.hpp>
#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

struct settle_options {
  std::chrono::milliseconds quiet_time{2000};  ///< below 1 ms counts as 1 ms

  /// Shell patterns (fnmatch) for names of files and directories that are not finished; in the service, of the
  /// directory itself as well. lockkit's own temporary names always count as such; sweep_staged removes those that a
  /// crash left.
  std::vector<std::string> in_progress{"*.part", "*.crdownload", "*.filepart", "*.tmp"};
  /// rsync's temporary names too: `.<name>.` and six letters and digits, some in upper case and some not.
  bool rsync_names = true;

  /// So many regular files, at any depth. 0: an empty directory may settle as well.
  std::size_t minimum_files = 1;

  /// settled_directories: a directory that was moved in whole, from outside or from a name that is hidden or in
  /// progress, needs no quiet time: one look, and no writer. False: it waits like the others.
  bool trust_moves = true;

  /// The caller's own test, asked after all others have passed: a marker, a manifest, a count. When it says false it is
  /// asked again after the next change, and at growing intervals of up to ten seconds (or the quiet time, if that is
  /// longer). What it throws passes through.
  std::function<bool(const std::filesystem::path&)> complete{};
};

enum class settle_state {
  settled,
  unsettled,  ///< not by the deadline, or stopped; or, in on_waiting: not yet
  vanished,   ///< removed, or moved away
};

struct settle_result {
  settle_state state = settle_state::unsettled;
  std::string reason{};           ///< for people: what it waits for; empty when settled
  std::filesystem::path where{};  ///< the offending path inside; the directory itself where it is no single one
  bool writers_seen = true;  ///< false: for some file it could not be told whether it is open for writing (files of
                             ///< another user, network filesystems), and no writer was found in /proc either
  bool events_seen = true;   ///< false: changes were found by looking only
};

/// Waits until `directory` has settled, has vanished, `until` has passed, or `stop` was requested. Looks at least once,
/// so that with a deadline that has passed it tells what stands in the way. A symbolic link at `directory` itself is
/// followed. Any number of threads may wait for any directories.
/// Errors: what opening or listing a directory inside gave, other than that it is gone; not_a_directory.
[[nodiscard]] LOCKKIT_API settle_result wait_until_settled(const std::filesystem::path& directory,
                                                           const settle_options& options, deadline until,
                                                           std::stop_token stop = {});
[[nodiscard]] LOCKKIT_API settle_result wait_until_settled(const std::filesystem::path& directory,
                                                           const settle_options& options, deadline until,
                                                           std::stop_token stop, std::error_code& ec);

/// A service: tells of each directory directly inside `parent` when it has settled, of those present at the start as
/// well. Names that begin with a dot and symbolic links are left alone. Has no thread: all happens within run().
///
/// Each directory goes through
///   (appears) -> waiting -> settled -> (activity) waiting -> settled -> ... -> vanished
/// and each arrival at "settled" is one call of on_settled: once for each time that it comes to rest. Who writes into
/// the directory after it was reported, from the callback or later, sets it to waiting, and it is reported again. Names
/// may be reused: after on_vanished the name stands for another directory. A directory renamed within `parent` vanishes
/// under the old name and appears under the new one.
///
/// Used by one thread at a time; not by a forked child.
class LOCKKIT_API settled_directories {
 public:
  /// All are called from run(), one at a time, without any lock held; any may be empty. An exception leaves run(), the
  /// call counts as made, and run() may be called again.
  struct callbacks {
    std::function<void(const std::filesystem::path&, const settle_result&)> on_settled{};
    /// A directory that was waiting or settled is gone.
    std::function<void(const std::filesystem::path&)> on_vanished{};
    /// A directory is quiet and still not settled, or has not been quiet for ten quiet times: why, and where. Again
    /// only when that changes.
    std::function<void(const std::filesystem::path&, const settle_result&)> on_waiting{};
  };

  /// Watches from here on; looks when run() is called. Errors: what opening the directory gave.
  settled_directories(std::filesystem::path parent, settle_options options, callbacks functions);
  settled_directories(std::filesystem::path parent, settle_options options, callbacks functions, std::error_code& ec);
  ~settled_directories();
  settled_directories(settled_directories&& other) noexcept;
  settled_directories& operator=(settled_directories&& other) noexcept;

  /// Until stopped; at once, or when a callback or one look at one directory ends. What it knows survives, so that it
  /// can be called again: nothing is reported twice for that. Errors: `parent` is gone or was moved
  /// (no_such_file_or_directory) or can't be read any more; operation_not_permitted in a forked child. Trouble with a
  /// single directory inside is told by on_waiting, and tried again.
  void run(std::stop_token stop);
  void run(std::stop_token stop, std::error_code& ec);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
