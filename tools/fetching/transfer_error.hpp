#pragma once
/// What a transfer can end with: libcurl's codes and HTTP statuses as std::error_code.

#include <curl/curl.h>

#include <system_error>

#include "failure.hpp"

namespace fetching {

[[nodiscard]] std::error_code curl_error(CURLcode code) noexcept;
[[nodiscard]] std::error_code http_error(long status) noexcept;

/// A file was changed while it was read.
[[nodiscard]] std::error_code changed_while_read() noexcept;

/// Whether another attempt may bring it: no connection, a stall, a broken body, HTTP 408, 429 and 5xx.
[[nodiscard]] bool is_transient_transfer(const std::error_code& code) noexcept;

[[nodiscard]] exit_status transfer_status(const std::error_code& code) noexcept;
/// One clause that says what to do; never empty.
[[nodiscard]] const char* transfer_advice(const std::error_code& code) noexcept;

}  // namespace fetching
