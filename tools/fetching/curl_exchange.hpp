#pragma once
/// One libcurl handle: asks for one URL at a time and tells what came.

#include <curl/curl.h>

#include <array>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "http_answer.hpp"
#include "transfer.hpp"

namespace fetching {

/// Bytes of a body as they come, and whether to give up: asked all the time.
struct exchange_calls {
  std::function<void(std::string_view)> receive;
  std::function<bool()> cancelled;
};

class curl_exchange {
 public:
  curl_exchange(const transfer_options& options, exchange_calls calls);
  curl_exchange(const curl_exchange&) = delete;
  curl_exchange& operator=(const curl_exchange&) = delete;

  /// Redirects are not followed. What `receive` threw ends it and is thrown again.
  [[nodiscard]] std::error_code ask(const std::string& url, const std::vector<std::string>& headers);

  /// Of the last one, from its first byte on.
  [[nodiscard]] const http_answer& answer() const noexcept { return answer_; }
  /// Of the body that comes; none if it was not announced.
  [[nodiscard]] std::optional<std::uint64_t> length() const;
  /// Empty: it is none.
  [[nodiscard]] std::string redirect_target() const;
  /// In words, as exactly as libcurl knows.
  [[nodiscard]] std::string reason(const std::error_code& code) const;

 private:
  template <class Value>
  void set(CURLoption option, Value value);
  static std::size_t receive(char* data, std::size_t one, std::size_t count, void* self) noexcept;
  static std::size_t add_header(char* data, std::size_t one, std::size_t count, void* self) noexcept;
  static int keep_going(void* self, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t up_now) noexcept;

  exchange_calls calls_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  http_answer answer_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  std::exception_ptr thrown_;
};

}  // namespace fetching
