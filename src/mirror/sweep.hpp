#pragma once
/// Taking away what nobody needs.

#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>

#include "cache_layout.hpp"
#include "content_removal.hpp"

namespace lockkit::detail {

/// The digests that records name.
[[nodiscard]] std::set<std::string> named_contents(const cache_layout& layout, std::error_code& ec);

struct swept_content {
  std::string sha256;
  removal outcome = removal::gone;
};

/// Of `digests`, removes those that no record names. errc::timed_out if somebody is publishing until then.
std::vector<swept_content> remove_unnamed(const cache_layout& layout, const std::vector<std::string>& digests,
                                          deadline until, std::error_code& ec);

/// Removes a content unless a record names it or somebody has a lease on it. True: removed, or it was not there.
bool drop_content(const cache_layout& layout, std::string_view sha256, deadline until, std::error_code& ec);

/// What crashed processes left unfinished, and replaced contents whose leases have ended.
void sweep_unfinished(const cache_layout& layout, deadline until, std::error_code& ec);

/// Removes every content that no record names, and what crashed processes left.
void sweep_cache(const cache_layout& layout, deadline until, std::error_code& ec);

}  // namespace lockkit::detail
