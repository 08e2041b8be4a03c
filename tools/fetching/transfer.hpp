#pragma once
/// Brings the content of a URL into a fetch_sink, through libcurl.
///
/// Redirects are followed up to a limit, from http to http or https, from https to https only, never to a file.
/// Failures that may pass (no connection, a stall, a truncated body, HTTP 408, 429 and 5xx) are tried again after
/// growing pauses: where the last attempt ended, if the server can promise that it is still the same version, else from
/// the beginning. So does the next fetch of a key whose transfer was cut. The announced size becomes the sink's expected
/// size. What the cache has already is asked for under a condition, and not brought again if it has not changed.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <lockkit/mirror_cache.hpp>

namespace fetching {

struct transfer_options {
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds stall_timeout{30};  ///< without a byte
  unsigned attempts = 5;
  unsigned redirects = 10;
  std::filesystem::path ca_file;      ///< certificates to trust instead of the system's
  std::optional<std::uint64_t> size;  ///< promised; a longer body is cut off at once
  std::function<void(const std::string& reason)> on_retry;
};

/// Once per process, before the first transfer and while there is one thread.
class transfer_library {
 public:
  transfer_library();
  ~transfer_library();
  transfer_library(const transfer_library&) = delete;
  transfer_library& operator=(const transfer_library&) = delete;
};

enum class transfer_result { brought, not_modified };

/// Throws failure with what was tried, on which URL, why it failed and what to do; lets exceptions of the sink pass.
/// A cancelled sink ends it with lockkit::error, std::errc::operation_canceled; another size than promised with
/// errc::integrity_mismatch.
transfer_result transfer(const std::string& url, lockkit::fetch_sink& sink, const transfer_options& options);

}  // namespace fetching
