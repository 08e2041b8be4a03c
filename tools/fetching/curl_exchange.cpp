#include "curl_exchange.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "failure.hpp"
#include "transfer_error.hpp"

namespace fetching {
namespace {

using header_list = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

header_list list_of(const std::vector<std::string>& headers) {
  header_list list(nullptr, &curl_slist_free_all);
  for (const std::string& each : headers) {
    curl_slist* const longer = curl_slist_append(list.get(), each.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    if (list == nullptr) list.reset(longer);  // else it is the same
  }
  return list;
}

}  // namespace

curl_exchange::curl_exchange(const transfer_options& options, exchange_calls calls)
    : calls_(std::move(calls)), handle_(curl_easy_init(), &curl_easy_cleanup) {
  if (handle_ == nullptr) throw std::bad_alloc();
  set(CURLOPT_PROTOCOLS_STR, "http,https,file");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &curl_exchange::keep_going);
  set(CURLOPT_XFERINFODATA, this);
  set(CURLOPT_WRITEFUNCTION, &curl_exchange::receive);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &curl_exchange::add_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_ERRORBUFFER, detail_.data());
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  set(CURLOPT_USERAGENT, "lockkit");
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
}

template <class Value>
void curl_exchange::set(CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle_.get(), option, value);
  if (code != CURLE_OK) {
    throw failure(exit_status::software, fmt::format("libcurl refuses an option ({}): {}; version 7.85 or newer is "
                                                     "needed",
                                                     static_cast<int>(option), curl_easy_strerror(code)));
  }
}

std::error_code curl_exchange::ask(const std::string& url, const std::vector<std::string>& headers) {
  const header_list list = list_of(headers);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_HTTPHEADER, list.get());
  detail_[0] = '\0';
  answer_.clear();
  const CURLcode code = curl_easy_perform(handle_.get());
  set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
  if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
  return code == CURLE_OK ? std::error_code() : curl_error(code);
}

std::optional<std::uint64_t> curl_exchange::length() const {
  curl_off_t length = -1;
  curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  return length < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(length));
}

std::string curl_exchange::redirect_target() const {
  char* target = nullptr;
  curl_easy_getinfo(handle_.get(), CURLINFO_REDIRECT_URL, &target);
  return target == nullptr ? "" : target;
}

std::string curl_exchange::reason(const std::error_code& code) const {
  return detail_[0] != '\0' ? std::string(detail_.data()) : code.message();
}

/// Exceptions do not cross libcurl's C frames. It takes any other result than `count` as "stop".
std::size_t curl_exchange::receive(char* data, std::size_t /*one*/, std::size_t count, void* self) noexcept {
  auto& me = *static_cast<curl_exchange*>(self);
  try {
    me.calls_.receive(std::string_view(data, count));
    return count;
  } catch (...) {
    me.thrown_ = std::current_exception();
    return 0;
  }
}

std::size_t curl_exchange::add_header(char* data, std::size_t /*one*/, std::size_t count, void* self) noexcept {
  auto& me = *static_cast<curl_exchange*>(self);
  try {
    me.answer_.add_line(std::string_view(data, count));
    return count;
  } catch (...) {
    me.thrown_ = std::current_exception();
    return 0;
  }
}

int curl_exchange::keep_going(void* self, curl_off_t /*total*/, curl_off_t /*now*/, curl_off_t /*up*/,
                              curl_off_t /*up_now*/) noexcept {
  return static_cast<const curl_exchange*>(self)->calls_.cancelled() ? 1 : 0;
}

}  // namespace fetching
