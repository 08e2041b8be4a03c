#pragma once
/// URLs, taken apart by libcurl.

#include <string>
#include <string_view>

namespace fetching {

/// Throws failure(usage) with the reason unless `url` is an absolute https, http or file URL without user name or
/// password (those would end up in the cache's records and in messages).
void check_url(const std::string& url);

/// Lower case.
[[nodiscard]] std::string scheme_of(const std::string& url);

/// The decoded path of a file URL.
[[nodiscard]] std::string path_of(const std::string& url);

/// A name that a file can safely have, made from the last component of the URL's path: letters, digits, ". _ - + = @",
/// at most 128 bytes, never empty, hidden, or looking like an option.
[[nodiscard]] std::string file_name_of(const std::string& url);

/// Arguments that are URLs; anything else is a catalogue's name.
[[nodiscard]] inline bool looks_like_url(std::string_view text) noexcept {
  return text.find("://") != std::string_view::npos;
}

}  // namespace fetching
