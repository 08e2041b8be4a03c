#pragma once
/// What a name says about whether a file is finished.

#include <string>

#include <lockkit/settle.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// Guards of locks and the temporaries of their plants: they come and go beside any file and are not content.
[[nodiscard]] bool belongs_to_a_lock(const std::string& name) noexcept;
/// The same for the name of an event, which is empty when the directory itself is meant.
[[nodiscard]] inline bool is_about_a_lock(const std::string& name) noexcept {
  return !name.empty() && belongs_to_a_lock(name);
}

/// `.<name>.` and six letters and digits. rsync draws them from both cases and the digits; asking for a capital letter
/// and one that is none misses one name in thirty, and spares `.data.sha256`, `.x.backup` and `.y.SQLITE`.
[[nodiscard]] bool is_rsync_name(const std::string& name) noexcept;

/// Whether the name alone says "not finished": the caller's patterns, rsync's names unless not wanted, ours.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_in_progress(const std::string& name, const settle_options& options) noexcept;

}  // namespace lockkit::detail
