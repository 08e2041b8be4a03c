#include "transfer_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include <lockkit/retry.hpp>

namespace fetching {
namespace {

class curl_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "curl"; }
  [[nodiscard]] std::string message(int code) const override { return curl_easy_strerror(static_cast<CURLcode>(code)); }
};

class http_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "http"; }
  [[nodiscard]] std::string message(int status) const override {
    return fmt::format("the server answered HTTP {}", status);
  }
};

const curl_category curl_codes;
const http_category http_codes;

class source_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "source"; }
  [[nodiscard]] std::string message(int /*code*/) const override { return "it was changed while it was read"; }
};

const source_category source_codes;

/// A certificate that can't be verified is not among them: that needs a person.
constexpr std::array passing = {
    CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
    CURLE_COULDNT_CONNECT,      CURLE_OPERATION_TIMEDOUT,
    CURLE_PARTIAL_FILE,         CURLE_GOT_NOTHING,
    CURLE_RECV_ERROR,           CURLE_SEND_ERROR,
    CURLE_SSL_CONNECT_ERROR,    CURLE_HTTP2,
    CURLE_HTTP2_STREAM,         CURLE_WEIRD_SERVER_REPLY,
};

bool is_curl(const std::error_code& code, CURLcode value) noexcept {
  return code == curl_error(value);
}

}  // namespace

std::error_code curl_error(CURLcode code) noexcept {
  return {static_cast<int>(code), curl_codes};
}

std::error_code http_error(long status) noexcept {
  return {static_cast<int>(status), http_codes};
}

std::error_code changed_while_read() noexcept {
  return {1, source_codes};
}

bool is_transient_transfer(const std::error_code& code) noexcept {
  if (code.category() == http_codes) return code.value() == 408 || code.value() == 429 || code.value() >= 500;
  if (code == changed_while_read()) return true;
  if (code.category() != curl_codes) return lockkit::is_transient(code);
  return std::ranges::any_of(passing, [&](CURLcode value) { return is_curl(code, value); });
}

exit_status transfer_status(const std::error_code& code) noexcept {
  if (code == http_error(404) || code == http_error(410)) return exit_status::no_input;
  if (code == http_error(401) || code == http_error(403)) return exit_status::no_permission;
  if (is_curl(code, CURLE_FILE_COULDNT_READ_FILE)) return exit_status::no_permission;
  return exit_status::unavailable;
}

const char* transfer_advice(const std::error_code& code) noexcept {
  if (code.category() == http_codes) {
    if (is_transient_transfer(code)) return "try again later";
    return code.value() == 401 || code.value() == 403 ? "ask whoever runs that server for access" : "check the URL";
  }
  if (code == changed_while_read()) return "wait until its writer is done, or publish it in one step";
  if (is_curl(code, CURLE_COULDNT_RESOLVE_HOST)) return "check the host name and the network";
  if (is_curl(code, CURLE_PEER_FAILED_VERIFICATION)) return "check the URL, or name the right authority with --ca-file";
  if (is_curl(code, CURLE_FILE_COULDNT_READ_FILE)) return "check the owner and the mode of the file";
  if (is_curl(code, CURLE_OPERATION_TIMEDOUT)) return "check the network, or allow longer stalls with --stall-timeout";
  return "check the URL and the network";
}

}  // namespace fetching
