#pragma once
/// Telling one state of a file from another.
///
///  1. A file is another one if its device, inode, size or a time of it differs. A content that was written back byte for
///     byte is another version all the same.
///  2. Two changes within one tick of the filesystem's clock show in no time. So if the file was changed within the last
///     two seconds (or ahead of this clock, or by a server's), the content speaks as well: what changes it after that has a
///     later time.
///  3. The status change time counts, since nobody can set it back; but not across a rename, which changes it.
///  4. The content is known by 122 bits of a SHA-1 chained over its pieces (docs/decisions/0011): a change is found, not a
///     forgery. Who can forge it may write to the file anyway.
///  5. The state is taken before the content is read. What is changed or replaced meanwhile makes a version that stands
///     nowhere any more, and whoever comes with it is told so; trying again here would never end in a storm of updates.

#include <optional>
#include <system_error>

#include <lockkit/if_unchanged.hpp>

#include "platform/listing.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// Of the file at `name`. Not followed, never waited for.
[[nodiscard]] file_version read_version(int directory, const char* name, version_content content, std::error_code& ec);

enum class compared { here, after_rename };
/// Whether the file at `name` is in that state. It is left in `found` if it is. What is no regular file is another
/// version.
[[nodiscard]] bool is_version(const file_version& expected, int directory, const char* name, compared where,
                              platform::unique_fd& found, std::error_code& ec);

/// What survives a rename, in 64 bits, with and without the content. For the names of displaced files.
struct version_marks {
  std::uint64_t of_state = 0;
  std::optional<std::uint64_t> with_content{};
};
[[nodiscard]] version_marks marks_of(const file_version& version) noexcept;
/// The same of an open file, with its content if `content` says always.
[[nodiscard]] LOCKKIT_PRIVATE_API version_marks marks_of(int file, version_content content, std::error_code& ec);

}  // namespace lockkit::detail
