#pragma once
/// Putting contents and records in place.

#include <string>
#include <string_view>
#include <system_error>

#include "cache_layout.hpp"
#include "content.hpp"
#include "fetch_stream.hpp"

namespace lockkit::detail {

/// Makes what `stream` holds the content of record.key. The caller holds the key's lock.
[[nodiscard]] pinned_content store_content(const cache_layout& layout, std::string_view name, fetch_stream& stream,
                                           key_record record, deadline until, const std::stop_token& stop,
                                           std::error_code& ec);

/// Gives the content of `former` a new record: `record` says when, under which generation and validators. None with a
/// clear code: the file that `former` has open is not, or not any more, what stands there. The caller holds the key's lock.
[[nodiscard]] std::optional<pinned_content> renew_content(const cache_layout& layout, std::string_view name,
                                                          const pinned_content& former, key_record record,
                                                          deadline until, const std::stop_token& stop,
                                                          std::error_code& ec);

}  // namespace lockkit::detail
