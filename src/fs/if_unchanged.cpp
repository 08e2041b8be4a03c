// Publishing if the file is still the one that was read.
//
//  1. The lock is on a file beside the target, never on the target, which is replaced: who waits for it would have the lock
//     of a file that nobody finds any more. It is a file_mutex and stays; a holder that dies is succeeded at once.
//  2. Everything slow comes before the lock (the file's sync) or after it (the directory's): it is held for a look and a
//     rename. Who reads between the two reads what is not on the disk yet, as at every level; his own sync brings both.
//  3. The comparison and the rename are one step for all who take the lock. Against others: exchange.hpp, under the same
//     lock, so that two of lockkit never exchange with each other.
//  4. "Nothing" as a version needs no lock: linking decides.
//  5. The lock lies in the directory that is held open, wherever the path leads by now.
#include <lockkit/if_unchanged.hpp>

#include <array>
#include <cstdio>

#include <lockkit/deadline.hpp>
#include <lockkit/file_mutex.hpp>

#include "core/throw_error.hpp"
#include "durable_names.hpp"
#include "exchange.hpp"
#include "file_version.hpp"
#include "lock_names.hpp"
#include "platform/fault.hpp"
#include "publication.hpp"

namespace lockkit::inline v0 {
namespace {

/// `.<name>.update.guard`, by way of the open directory. Its parent is said as "<link>/.": who looks at that sees the
/// directory, whose mode decides on that of the lock, and not the link in /proc.
std::filesystem::path turn_path(const detail::publication& file) {
  std::array<char, 32> directory{};
  std::snprintf(directory.data(), directory.size(), "/proc/self/fd/%d/.", file.directory());
  return std::filesystem::path(directory.data()) / detail::hidden_name(file.name(), ".update.guard");
}

unchanged_outcome publish_new(detail::publication& file, durability level, std::error_code& ec) {
  const publish_result result =
      file.file().publish_as(file.directory(), file.name(), publish_mode::if_absent, level, ec);
  return {result == publish_result::published ? unchanged_result::published : unchanged_result::changed, {}};
}

/// Whoever tries has the turn.
unchanged_outcome replace_in_turn(detail::publication& file, const file_version& expected, const unchanged_options& how,
                                  std::error_code& ec) {
  platform::unique_fd old;
  const bool same = detail::is_version(expected, file.directory(), file.name(), detail::compared::here, old, ec) ||
                    (!ec && platform::fault::is_broken("exchange only what was looked at"));
  if (ec || !same) return {};
  if (how.against == rivals::any) return detail::exchange_if_unchanged(file, expected, old.get(), how.level, ec);
  const durability here = std::min(how.level, durability::consistent);  // rule 2
  static_cast<void>(file.file().publish_as(file.directory(), file.name(), publish_mode::replace, here, ec));
  return {unchanged_result::published, {}};
}

unchanged_outcome take_turn(detail::publication& file, const file_version& expected, const unchanged_options& how,
                            std::error_code& ec) {
  file_mutex turn(turn_path(file), {.timeout = how.timeout});
  if (!turn.try_lock_until(deadline::after(how.timeout), ec)) return {unchanged_result::busy, {}};
  return replace_in_turn(file, expected, how, ec);
}

unchanged_outcome run(detail::publication& file, const file_version& expected, const unchanged_options& how,
                      std::error_code& ec) {
  file.complete(ec);
  if (ec) return {};
  if (!expected.exists()) return publish_new(file, how.level, ec);
  file.file().prepare(file.directory(), file.name(), publish_mode::replace, how.level, ec);
  if (!ec) file.file().make_ready(how.level, ec);
  if (ec == std::errc::is_a_directory || ec == errc::not_a_regular_file) {  // another version
    ec.clear();
    return {};
  }
  if (ec) return {};
  unchanged_outcome outcome = take_turn(file, expected, how, ec);
  const bool published = !ec && outcome.result == unchanged_result::published;
  if (published && how.against == rivals::cooperating) {
    detail::sync_names(file.directory(), file.file().fd(), how.level, ec);
  }
  return outcome;
}

}  // namespace

file_version version_of(const std::filesystem::path& target, symlink_policy symlinks, version_content content,
                        std::error_code& ec) {
  const detail::publish_target found = detail::find_target(target, symlinks, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();  // nor is there its directory
  if (ec || !found.directory) return {};
  return detail::read_version(found.directory.get(), found.name.c_str(), content, ec);
}

file_version version_of(const std::filesystem::path& target, symlink_policy symlinks, version_content content) {
  return detail::throwing("take the version of", target,
                          [&](std::error_code& ec) { return version_of(target, symlinks, content, ec); });
}

unchanged_outcome commit_if_unchanged(staged_file& staged, const file_version& expected, const unchanged_options& how,
                                      std::error_code& ec) {
  if (!staged.impl_) {
    ec = std::make_error_code(std::errc::bad_file_descriptor);
    return {};
  }
  unchanged_outcome outcome = run(staged.impl_->work, expected, how, ec);
  staged.discard();
  return outcome;
}

unchanged_outcome commit_if_unchanged(staged_file& staged, const file_version& expected, const unchanged_options& how) {
  return detail::throwing("publish", staged.target(),
                          [&](std::error_code& ec) { return commit_if_unchanged(staged, expected, how, ec); });
}

unchanged_outcome publish_if_unchanged(const std::filesystem::path& target, std::span<const std::byte> bytes,
                                       const file_version& expected, const unchanged_options& how,
                                       publish_options options, std::error_code& ec) {
  staged_file staged(target, options, ec);
  if (!ec) staged.write(bytes, ec);
  return ec ? unchanged_outcome{} : commit_if_unchanged(staged, expected, how, ec);
}

unchanged_outcome publish_if_unchanged(const std::filesystem::path& target, std::span<const std::byte> bytes,
                                       const file_version& expected, const unchanged_options& how,
                                       publish_options options) {
  return detail::throwing("publish", target, [&](std::error_code& ec) {
    return publish_if_unchanged(target, bytes, expected, how, options, ec);
  });
}

}  // namespace lockkit::inline v0
