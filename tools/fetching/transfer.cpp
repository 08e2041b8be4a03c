// How a transfer goes.
//
// 1. Redirects are followed here, not by libcurl, because the rule depends on the way gone so far: once https, always
//    https, or a man in the middle of the last step could choose the content.
// 2. Bytes reach the sink only from an answer that is final and good; bodies of errors and redirects are dropped.
// 3. Exceptions of the sink (disk full, integrity) do not cross libcurl's C frames: they wait in the state and are
//    thrown again behind them. They end the transfer without a further attempt.
// 4. A file URL must name a regular file: a FIFO would block for ever, and libcurl reads a directory as empty.

#include "transfer.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <lockkit/error.hpp>
#include <lockkit/retry.hpp>

#include "failure.hpp"
#include "transfer_error.hpp"
#include "url.hpp"

namespace fetching {
namespace {

using easy_handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

[[noreturn]] void give_up(exit_status status, const std::string& url, std::string_view reason,
                          std::string_view advice) {
  throw failure(status, fmt::format("cannot fetch {}: {}; {}", url, reason, advice));
}

/// One transfer with all its attempts.
class download {
 public:
  download(const std::string& url, lockkit::fetch_sink& sink, const transfer_options& options)
      : url_(url), sink_(sink), options_(options), handle_(curl_easy_init(), &curl_easy_cleanup) {
    if (handle_ == nullptr) throw std::bad_alloc();
    configure();
  }

  void run() {
    lockkit::retry_policy policy;
    policy.attempts = options_.attempts;
    policy.pauses = {std::chrono::milliseconds(250), std::chrono::seconds(2), 2.0};
    policy.transient = &is_transient_transfer;
    std::error_code ec;
    lockkit::retry(policy, [this](std::error_code& result) { result = attempt(); }, ec);
    if (!ec) return;
    const std::string tries = attempts_ > 1 ? fmt::format(" (tried {} times)", attempts_) : "";
    give_up(transfer_status(ec), url_, reason(ec) + tries, transfer_advice(ec));
  }

 private:
  void configure() {
    set(CURLOPT_PROTOCOLS_STR, "http,https,file");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &download::keep_going);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_WRITEFUNCTION, &download::receive);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_ERRORBUFFER, detail_.data());
    set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.connect_timeout.count()));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.stall_timeout.count()));
    set(CURLOPT_USERAGENT, "lockkit");
    if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(handle_.get(), option, value);
    if (code != CURLE_OK) {
      throw failure(exit_status::software, fmt::format("libcurl refuses an option ({}): {}; version 7.85 or newer is "
                                                       "needed",
                                                       static_cast<int>(option), curl_easy_strerror(code)));
    }
  }

  std::error_code attempt() {
    stop_if_cancelled();
    if (++attempts_ > 1) {
      if (options_.on_retry) options_.on_retry(reason(last_));
      sink_.restart();
    }
    last_ = follow();
    return last_;
  }

  /// Rule 1.
  std::error_code follow() {
    std::string url = url_;
    for (unsigned hops = 0;; ++hops) {
      check_file(url);
      const std::error_code ec = request(url);
      const std::string next = redirect_target();
      if (ec || next.empty()) return ec ? ec : judge();
      if (hops == options_.redirects) {
        give_up(exit_status::unavailable, url_, fmt::format("it was redirected more than {} times", hops),
                "ask whoever runs that server");
      }
      check_redirect(url, next);
      url = next;
    }
  }

  std::error_code request(const std::string& url) {
    set(CURLOPT_URL, url.c_str());
    detail_[0] = '\0';
    started_ = false;
    const CURLcode code = curl_easy_perform(handle_.get());
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
    stop_if_cancelled();
    return code == CURLE_OK ? std::error_code() : curl_error(code);
  }

  std::error_code judge() {
    const long status = http_status();
    if (status != 200 && status != 0) return http_error(status);  // 0: a file
    if (!started_) announce_size();                               // an empty body
    return {};
  }

  void check_redirect(const std::string& from, const std::string& to) const {
    const std::string scheme = scheme_of(to);
    const bool weaker = scheme != "https" && scheme_of(from) == "https";
    if (!weaker && (scheme == "http" || scheme == "https")) return;
    give_up(exit_status::unavailable, url_,
            fmt::format("it redirects to {}, from {} to {}", to, scheme_of(from), scheme),
            "such a redirect is refused; check where it leads, and give that URL if you trust it");
  }

  /// Rule 4.
  static void check_file(const std::string& url) {
    if (scheme_of(url) != "file") return;
    std::error_code ec;
    const auto kind = std::filesystem::status(path_of(url), ec).type();
    if (kind == std::filesystem::file_type::not_found) {
      give_up(exit_status::no_input, url, "there is no such file", "check the path");
    }
    if (ec) give_up(status_of(ec), url, ec.message(), "check the owner and the mode of the file and its directories");
    if (kind != std::filesystem::file_type::regular) {
      give_up(exit_status::no_input, url, "it is not a regular file", "check the path");
    }
  }

  void announce_size() {
    curl_off_t length = -1;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (options_.size && length >= 0 && static_cast<std::uint64_t>(length) != *options_.size) {
      wrong_size(fmt::to_string(length));
    }
    if (options_.size) {
      sink_.expect_size(*options_.size);
    } else if (length >= 0) {
      sink_.expect_size(static_cast<std::uint64_t>(length));
    }
  }

  void accept(std::string_view bytes) {
    if (!started_) announce_size();
    started_ = true;
    if (options_.size && sink_.size() + bytes.size() > *options_.size) wrong_size("more");
    sink_.write(bytes);
  }

  [[noreturn]] void wrong_size(std::string_view found) const {
    give_up(exit_status::bad_data, url_, fmt::format("{} bytes are promised, but it has {}", *options_.size, found),
            "correct the size in the catalogue, or find out who changed the data");
  }

  void stop_if_cancelled() const {
    if (sink_.cancelled()) throw lockkit::error("fetch", url_, std::make_error_code(std::errc::operation_canceled));
  }

  [[nodiscard]] long http_status() const {
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  [[nodiscard]] std::string redirect_target() const {
    char* target = nullptr;
    curl_easy_getinfo(handle_.get(), CURLINFO_REDIRECT_URL, &target);
    return target == nullptr ? "" : target;
  }

  [[nodiscard]] std::string reason(const std::error_code& code) const {
    return detail_[0] != '\0' ? std::string(detail_.data()) : code.message();
  }

  /// Rules 2 and 3. libcurl takes any other result than `count` as "stop".
  static std::size_t receive(char* data, std::size_t /*one*/, std::size_t count, void* self) noexcept {
    auto& me = *static_cast<download*>(self);
    const long status = me.http_status();
    if (status != 200 && status != 0) return count;
    try {
      me.accept(std::string_view(data, count));
      return count;
    } catch (...) {
      me.thrown_ = std::current_exception();
      return 0;
    }
  }

  static int keep_going(void* self, curl_off_t /*total*/, curl_off_t /*now*/, curl_off_t /*up*/,
                        curl_off_t /*upNow*/) noexcept {
    return static_cast<const download*>(self)->sink_.cancelled() ? 1 : 0;
  }

  const std::string& url_;
  lockkit::fetch_sink& sink_;
  const transfer_options& options_;
  easy_handle handle_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  std::exception_ptr thrown_;
  std::error_code last_;
  unsigned attempts_ = 0;
  bool started_ = false;  // whether the first byte of the answer that counts has come
};

}  // namespace

transfer_library::transfer_library() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    throw failure(exit_status::software, "libcurl cannot be started; check its installation");
  }
}

transfer_library::~transfer_library() {
  curl_global_cleanup();
}

void transfer(const std::string& url, lockkit::fetch_sink& sink, const transfer_options& options) {
  check_url(url);
  download(url, sink, options).run();
}

}  // namespace fetching
