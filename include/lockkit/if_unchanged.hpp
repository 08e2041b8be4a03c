#pragma once
/// Publishing only if the file is still the one that was read: optimistic updates of one file by many programs.
///
///   const auto version = lockkit::version_of(path);      // first the version, then the content: never the other way
///   const std::string next = changed(read(path));
///   const auto outcome = lockkit::publish_if_unchanged(path, next, version);
///   if (outcome.result == lockkit::unchanged_result::changed) ...   // somebody was quicker: read again
///
///   rivals        who is excluded                                 how
///   cooperating   those who publish by this function, in either   compared and replaced under a lock on a file beside it,
///                 way                                             `.<name>.update.guard`, which stays
///   any           everybody who replaces the file by renaming     exchanged with what stands there, which is then compared;
///                 another one over it, too                        somebody else's is exchanged back
///
/// No update of those is ever overwritten by one who has not read it, whoever dies at whatever moment. With `any`, readers
/// can see the new content for some microseconds before somebody else's comes back; and if yet another one replaces it in
/// those, all contents are kept: the latest at the target, the one before at unchanged_outcome::displaced. That file (also
/// left by a crash between the two exchanges) is `.<name>.<26 characters>.lkx`; sweep_staged removes such a file only if it
/// is the version that was to be replaced, or the one that was to replace it. `any` needs RENAME_EXCHANGE, `cooperating` a
/// filesystem of this host: errc::unsupported_filesystem, and nothing was changed.
/// Who writes into the file itself is noticed if he has it open at the exchange (`any`), or has written before the
/// comparison; through a mapping, if the content was compared (version_content::always). Not if he writes later.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <lockkit/export.hpp>
#include <lockkit/staged_file.hpp>

namespace lockkit::detail {
struct version_access;
}

namespace lockkit::inline v0 {

/// Which file stood there, in which state. That nothing stood there is a version, too. Valid on the host and the mount
/// where it was taken, until the next boot; elsewhere every file counts as changed.
class LOCKKIT_API file_version {
 public:
  file_version() noexcept = default;  ///< nothing
  [[nodiscard]] bool exists() const noexcept { return exists_; }
  /// For scripts: printable, without spaces; "absent" for nothing.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<file_version> parse(std::string_view text) noexcept;

 private:
  friend struct detail::version_access;
  using digest = std::array<std::uint64_t, 2>;
  bool exists_ = false;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t modified_ = 0;  // ns
  std::uint64_t changed_ = 0;
  std::optional<digest> digest_{};
};

enum class version_content {
  when_recent,  ///< read only if the file was changed within the last two seconds: the clock of its times can stand still
  ///< for some milliseconds, so that the next change would show in nothing else. On a server's filesystem: always
  always,  ///< reads all of it, each time
};

/// The file must be readable. errc::not_a_regular_file, std::errc::is_a_directory; a symbolic link that is not to be
/// followed is std::errc::too_many_symbolic_link_levels.
[[nodiscard]] LOCKKIT_API file_version version_of(const std::filesystem::path& target,
                                                  symlink_policy symlinks = symlink_policy::replace,
                                                  version_content content = version_content::when_recent);
[[nodiscard]] LOCKKIT_API file_version version_of(const std::filesystem::path& target, symlink_policy symlinks,
                                                  version_content content, std::error_code& ec);

enum class rivals { cooperating, any };

struct unchanged_options {
  durability level = durability::consistent;
  rivals against = rivals::cooperating;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  ///< for others' turns, which are short; or no_timeout
};

enum class unchanged_result {
  published,
  changed,  ///< another version stands there (or nothing); nothing was changed
  busy,     ///< others had their turn until the timeout
};

/// After an error `result` says nothing; `displaced` is right always.
struct unchanged_outcome {
  unchanged_result result = unchanged_result::changed;
  std::filesystem::path displaced{};  ///< somebody's content that is no longer at the target, if there is one
};

LOCKKIT_API unchanged_outcome publish_if_unchanged(const std::filesystem::path& target,
                                                   std::span<const std::byte> bytes, const file_version& expected,
                                                   const unchanged_options& how = {}, publish_options options = {});
LOCKKIT_API unchanged_outcome publish_if_unchanged(const std::filesystem::path& target,
                                                   std::span<const std::byte> bytes, const file_version& expected,
                                                   const unchanged_options& how, publish_options options,
                                                   std::error_code& ec);
inline unchanged_outcome publish_if_unchanged(const std::filesystem::path& target, std::string_view text,
                                              const file_version& expected, const unchanged_options& how = {},
                                              publish_options options = {}) {
  return publish_if_unchanged(target, std::as_bytes(std::span(text)), expected, how, options);
}

/// In place of staged.commit(). The mode of its options counts for nothing: "absent" is if_absent, all else replace.
LOCKKIT_API unchanged_outcome commit_if_unchanged(staged_file& staged, const file_version& expected,
                                                  const unchanged_options& how = {});
LOCKKIT_API unchanged_outcome commit_if_unchanged(staged_file& staged, const file_version& expected,
                                                  const unchanged_options& how, std::error_code& ec);

}  // namespace lockkit::inline v0
