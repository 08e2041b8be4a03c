#pragma once
/// staged_file and publish: make a finished file visible in one step.
///
/// Content is written aside, in the target's own directory, and put in place by one rename or link: readers see the
/// old content or the new, never a part, never nothing. What survives a power cut depends on the durability that the
/// caller names (publish_options.hpp).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/publish_options.hpp>

namespace lockkit::inline v0 {

class file_version;
struct unchanged_options;
struct unchanged_outcome;

/// A file being written aside. Used by one thread at a time. Destroying it without commit() discards it; a crash leaves
/// nothing, or a file `.<name>.<26 characters>.lkt` that sweep_staged removes. A forked child can neither write nor
/// commit (std::errc::operation_not_permitted), and discards nothing. The directory is held open from the beginning:
/// renaming it meanwhile takes the file along.
/// Names that can't be: errc::invalid_name for "", "a/", ".", "..", and NUL; std::errc::filename_too_long.
class LOCKKIT_API staged_file {
 public:
  explicit staged_file(const std::filesystem::path& target, publish_options options = {});
  staged_file(const std::filesystem::path& target, publish_options options, std::error_code& ec);
  ~staged_file();
  staged_file(staged_file&& other) noexcept;
  staged_file& operator=(staged_file&& other) noexcept;  ///< discards what the target had staged

  /// Appends everything or fails; after a failure only discarding is possible (commit reports the same error).
  void write(std::span<const std::byte> bytes);
  void write(std::span<const std::byte> bytes, std::error_code& ec);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Bytes written so far through write().
  [[nodiscard]] std::uint64_t size() const noexcept;
  /// For code that must write by itself. Owned by this object, close-on-exec. Such bytes are not counted by size(), and
  /// commit no longer compares that with the file's. -1 after commit or discard.
  [[nodiscard]] int native_handle() const noexcept;
  [[nodiscard]] const std::filesystem::path& target() const noexcept;

  /// Makes the content visible at the target. Once per object, whatever comes of it: std::errc::bad_file_descriptor the
  /// second time. errc::published_not_durable: the content is visible, but syncing the directory failed. After any
  /// other error the target is what it was. if_absent where neither links nor RENAME_NOREPLACE exist:
  /// errc::unsupported_filesystem.
  publish_result commit(durability level = durability::consistent);
  publish_result commit(durability level, std::error_code& ec);
  /// What became of seal and metadata, after commit.
  [[nodiscard]] publish_report report() const noexcept;
  /// Drops the content. Also done by the destructor.
  void discard() noexcept;

 private:
  friend class publish_batch;
  friend LOCKKIT_API unchanged_outcome commit_if_unchanged(staged_file& staged, const file_version& expected,
                                                           const unchanged_options& how, std::error_code& ec);
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// staged_file, write, commit in one call. Who wants the report uses a staged_file.
LOCKKIT_API publish_result publish(const std::filesystem::path& target, std::span<const std::byte> bytes,
                                   durability level = durability::consistent, publish_options options = {});
LOCKKIT_API publish_result publish(const std::filesystem::path& target, std::span<const std::byte> bytes,
                                   durability level, publish_options options, std::error_code& ec);
inline publish_result publish(const std::filesystem::path& target, std::string_view text,
                              durability level = durability::consistent, publish_options options = {}) {
  return publish(target, std::as_bytes(std::span(text)), level, options);
}

/// Removes staged files and directories that crashed processes left in `directory` (not below it), and directories that
/// were replaced while somebody read them (see publish_directory.hpp): those whose kernel lock is free.
/// Directories, and files where they can't be made without a name (no O_TMPFILE), must also be `minimum_age` old (60 s) by
/// the filesystem's own clock, and a day on network filesystems. Live writers are never touched; but where every lock is
/// granted to everybody, age speaks alone: a file that nobody has written to for a day is removed, and no directory. Other
/// users' leftovers are left to them, but by root. Returns how many were removed; an error with one of them does not keep
/// it from the others.
LOCKKIT_API std::size_t sweep_staged(const std::filesystem::path& directory);
LOCKKIT_API std::size_t sweep_staged(const std::filesystem::path& directory, std::chrono::seconds minimum_age,
                                     std::error_code& ec);

}  // namespace lockkit::inline v0
