#pragma once
/// Names of files and directories that are not finished yet: `.<base>.<26 characters>.lkt`, for directories `.lkd`.
///
/// The 26 characters are base 32 (a-z, 2-7) and hold 128 random bits; two bits of the last one are to spare, and one of
/// them tells how the name came to be. A *born locked* name was linked to an inode that its writer had locked already:
/// if that lock is free, the writer is dead, whatever the age. A name made by open() was without a lock for a moment.

#include <array>
#include <optional>
#include <string_view>
#include <system_error>

#include "platform/private_api.hpp"

namespace lockkit::detail {

constexpr std::size_t longest_name = 255;  // NAME_MAX of every Linux filesystem that matters
constexpr std::size_t random_length = 26;
/// After as many names that were taken, something else is wrong.
constexpr int name_attempts = 16;

enum class name_origin { opened, born_locked };

/// 128 random bits, terminated by NUL.
using random_text = std::array<char, random_length + 1>;
[[nodiscard]] LOCKKIT_PRIVATE_API random_text random_base32(name_origin origin, std::error_code& ec) noexcept;

/// A file name, terminated by NUL.
using name_buffer = std::array<char, longest_name + 1>;

inline constexpr std::string_view staged_file_suffix = ".lkt";
inline constexpr std::string_view staged_tree_suffix = ".lkd";

/// A new name for what will become `base`. Never longer than `base` if that is long: whatever limit the filesystem has,
/// the name fits if `base` does.
[[nodiscard]] LOCKKIT_PRIVATE_API name_buffer temporary_name(std::string_view base, name_origin origin,
                                                             std::error_code& ec,
                                                             std::string_view suffix = staged_file_suffix) noexcept;

/// How the name was made; nothing if it is not a staged file's, or with the other suffix a staged directory's.
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<name_origin> parse_temporary_name(
    std::string_view name, std::string_view suffix = staged_file_suffix) noexcept;
[[nodiscard]] inline bool is_tree_name(std::string_view name) noexcept {
  return parse_temporary_name(name, staged_tree_suffix).has_value();
}

}  // namespace lockkit::detail
