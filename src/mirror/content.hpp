#pragma once
/// A content of the cache, pinned by a descriptor, and how a hit finds it.

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "cache_layout.hpp"
#include "key_record.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

struct pinned_content {
  key_record record;
  std::filesystem::path path;
  platform::unique_fd file;  ///< read-only
  bool fetched_here = false;
  bool stored_here = false;  ///< and the fetch brought bytes
  std::size_t layer = 0;     ///< 0: the cache's own; n: its n-th layer
};

/// None: there is no record that can be trusted. A code: reading failed for a reason that a fetch would not cure.
[[nodiscard]] std::optional<key_record> read_record(const std::string& path, std::error_code& ec);

/// The same for those who would remove something on the strength of it: a disk that can't be read is a code, too.
[[nodiscard]] std::optional<key_record> read_record_exactly(const std::string& path, std::error_code& ec);

/// None: there is no regular file of that size. A code as above.
[[nodiscard]] platform::unique_fd open_content(const std::string& path, std::uint64_t size, std::error_code& ec);

/// The hit, in the cache or one of its layers. Takes no lock. None: a miss.
[[nodiscard]] std::optional<pinned_content> find_content(const cache_layout& layout, std::string_view key,
                                                         std::string_view name, std::error_code& ec);

}  // namespace lockkit::detail
