// How a transfer goes.
//
// 1. Redirects are followed here, not by libcurl, because the rule depends on the way gone so far: once https, always
//    https, or a man in the middle of the last step could choose the content.
// 2. Bytes reach the sink only from an answer that is final and good; bodies of errors and redirects are dropped.
// 3. Exceptions of the sink (disk full, integrity) end the transfer without a further attempt.
// 4. A file URL must name a regular file: a FIFO would block for ever, and libcurl reads a directory as empty.
// 5. Two parts are put together only if the server says that they are of one version: the rest is asked for with a
//    strong tag (or a time that is old enough) in If-Range, at the very URL that the first part came from, and the
//    answer must be 206 with exactly the range from there to the end, of the length that was announced, and no other
//    tag or time: there are servers that never look at If-Range. Anything else begins anew: 200 (it was changed, or the
//    server knows no ranges), 416, another range.
// 6. "Not modified" is believed for the version that the cache holds, of the size that is promised, from that URL.
// 7. A file's version is its size, time and inode, if the time is some seconds past (else a second change could hide
//    behind it). A file that changes while it is read is read again.

#include "transfer.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

#include <lockkit/error.hpp>
#include <lockkit/retry.hpp>

#include "curl_exchange.hpp"
#include "failure.hpp"
#include "file_version.hpp"
#include "transfer_error.hpp"
#include "url.hpp"

namespace fetching {
namespace {

/// From this size on it is worth keeping what came of a transfer that was cut.
constexpr std::uint64_t worth_keeping = std::uint64_t{1} << 20U;

/// Thrown to end an exchange whose answer is no use: the next one asks for the whole.
struct ranges_refused {};

[[noreturn]] void give_up(exit_status status, const std::string& url, std::string_view reason,
                          std::string_view advice) {
  throw failure(status, fmt::format("cannot fetch {}: {}; {}", url, reason, advice));
}

/// What an exchange is told beside the URL.
struct inquiry {
  std::vector<std::string> headers;
  std::uint64_t from = 0;                        ///< 0: everything
  lockkit::content_validators version_to_go_on;  ///< of what lies before that
  bool conditional = false;

  void ask_from(std::uint64_t first, const lockkit::content_validators& version) {
    from = first;
    version_to_go_on = version;
    headers.push_back(fmt::format("Range: bytes={}-", first));
    headers.push_back("If-Range: " + range_validator(version));
  }
  void ask_unless(const lockkit::content_validators& version) {
    conditional = true;
    headers.push_back(version.etag.empty() ? "If-Modified-Since: " + version.last_modified
                                           : "If-None-Match: " + version.etag);
  }
};

/// One transfer with all its attempts.
class download {
 public:
  download(const std::string& url, lockkit::fetch_sink& sink, const transfer_options& options)
      : url_(url),
        sink_(sink),
        options_(options),
        exchange_(options, {[this](std::string_view bytes) { accept(bytes); }, [this] { return sink_.cancelled(); }}) {}

  transfer_result run() {
    lockkit::retry_policy policy;
    policy.attempts = options_.attempts;
    policy.pauses = {std::chrono::milliseconds(250), std::chrono::seconds(2), 2.0};
    policy.transient = &is_transient_transfer;
    std::error_code ec;
    lockkit::retry(policy, [this](std::error_code& result) { result = attempt(); }, ec);
    if (!ec) return result_;
    const std::string tries = attempts_ > 1 ? fmt::format(" (tried {} times)", attempts_) : "";
    give_up(transfer_status(ec), url_, reason(ec) + tries, transfer_advice(ec));
  }

 private:
  std::error_code attempt() {
    stop_if_cancelled();
    if (++attempts_ > 1) {
      if (options_.on_retry) options_.on_retry(reason(last_));
      if (range_validator(version_).empty()) sink_.restart();
    }
    last_ = follow();
    return last_;
  }

  /// Rule 1.
  std::error_code follow() {
    std::string url = url_;
    for (unsigned hops = 0;; ++hops) {
      if (scheme_of(url) == "file") return copy_file(url);
      const std::error_code ec = request(url);
      const std::string next = exchange_.redirect_target();
      if (ec || next.empty()) return ec ? ec : judge(url);
      if (hops == options_.redirects) {
        give_up(exit_status::unavailable, url_, fmt::format("it was redirected more than {} times", hops),
                "ask whoever runs that server");
      }
      check_redirect(url, next);
      url = next;
    }
  }

  /// Rule 5: at most two exchanges.
  std::error_code request(const std::string& url) {
    try {
      return exchange(url);
    } catch (const ranges_refused&) {
      ranges_refused_ = true;
      sink_.restart();
      return exchange(url);
    }
  }

  std::error_code exchange(const std::string& url) {
    started_ = false;
    at_ = url;
    asked_ = inquire(url);
    const std::error_code ec = exchange_.ask(url, asked_.headers);
    stop_if_cancelled();
    if (!ec && exchange_.answer().status() == 416 && asked_.from > 0) throw ranges_refused();
    return ec;
  }

  inquiry inquire(const std::string& url) {
    inquiry result;
    const auto can_go_on = [&](const lockkit::content_validators& version) {
      return !ranges_refused_ && version.other == url && !range_validator(version).empty();
    };
    if (sink_.size() > 0) {
      if (can_go_on(version_)) result.ask_from(sink_.size(), version_);
      return result;
    }
    if (const auto left = sink_.partial(); left && can_go_on(left->validators)) {
      result.ask_from(left->bytes, left->validators);
    }
    if (const auto& cached = sink_.cached(); cached && cached->validators.other == url && has_promised_size(*cached)) {
      result.ask_unless(cached->validators);
    }
    return result;
  }

  [[nodiscard]] bool has_promised_size(const lockkit::cached_version& cached) const {
    return !options_.size || *options_.size == cached.size;
  }

  std::error_code judge(const std::string& url) {
    const long status = exchange_.answer().status();
    if (status == 200 && !started_) begin_whole();  // an empty body
    if (status == 304 && asked_.conditional) {
      tell_freshness();
      if (auto version = exchange_.answer().version_at(url); !version.empty()) sink_.set_validators(std::move(version));
      sink_.not_modified();
      result_ = transfer_result::not_modified;
      return {};
    }
    return status == 200 || (status == 206 && started_) ? std::error_code() : http_error(status);
  }

  void check_redirect(const std::string& from, const std::string& to) const {
    const std::string scheme = scheme_of(to);
    const bool weaker = scheme != "https" && scheme_of(from) == "https";
    if (!weaker && (scheme == "http" || scheme == "https")) return;
    give_up(exit_status::unavailable, url_,
            fmt::format("it redirects to {}, from {} to {}", to, scheme_of(from), scheme),
            "such a redirect is refused; check where it leads, and give that URL if you trust it");
  }

  /// Rules 4 and 7.
  std::error_code copy_file(const std::string& url) {
    const file_version before(url);
    const auto& cached = sink_.cached();
    if (cached && before.is_settled() && cached->validators == before.validators() && has_promised_size(*cached)) {
      sink_.not_modified();
      result_ = transfer_result::not_modified;
      return {};
    }
    started_ = false;
    asked_ = {};
    const std::error_code ec = exchange_.ask(url, {});
    stop_if_cancelled();
    if (ec) return ec;
    if (!started_) announce(exchange_.length());
    if (!(file_version(url) == before)) return changed_while_read();
    if (before.is_settled()) sink_.set_validators(before.validators());
    return {};
  }

  /// Rule 2.
  void accept(std::string_view bytes) {
    const long status = exchange_.answer().status();
    if (status != 0 && status != 200 && status != 206) return;
    if (!std::exchange(started_, true)) {
      if (status == 0) announce(exchange_.length());
      if (status == 200) begin_whole();
      if (status == 206) begin_rest();
    }
    if (options_.size && sink_.size() + bytes.size() > *options_.size) wrong_size("more");
    sink_.write(bytes);
  }

  void begin_whole() {
    if (sink_.size() > 0) sink_.restart();
    const std::optional<std::uint64_t> length = exchange_.length();
    length_ = length;
    announce(length);
    tell_freshness();
    version_ = exchange_.answer().version_at(at_);
    sink_.set_validators(version_);
    const bool large = !length || *length >= worth_keeping;
    if (range_validator(version_).empty() || !exchange_.answer().may_have_ranges()) {
      version_ = {};
    } else if (large) {
      sink_.keep_partial(version_);
    }
  }

  /// Rule 5.
  void begin_rest() {
    const auto range = exchange_.answer().range();
    if (asked_.from == 0 || !range || range->first != asked_.from || range->last + 1 != range->total) {
      throw ranges_refused();
    }
    if (!exchange_.answer().may_be_of(asked_.version_to_go_on)) throw ranges_refused();
    if (sink_.size() > 0 && length_ && *length_ != range->total) throw ranges_refused();
    if (options_.size && *options_.size != range->total) wrong_size(fmt::to_string(range->total));
    if (sink_.size() == 0) sink_.resume();
    if (sink_.size() != range->first) throw ranges_refused();
    sink_.expect_size(range->total);
    tell_freshness();
    version_ = asked_.version_to_go_on;
    sink_.set_validators(version_);
  }

  void tell_freshness() {
    if (const auto until = exchange_.answer().expiry()) sink_.set_expiry(*until);
  }

  void announce(std::optional<std::uint64_t> length) {
    if (options_.size && length && *length != *options_.size) wrong_size(fmt::to_string(*length));
    if (options_.size) {
      sink_.expect_size(*options_.size);
    } else if (length) {
      sink_.expect_size(*length);
    }
  }

  [[noreturn]] void wrong_size(std::string_view found) const {
    throw lockkit::error("fetch", url_, lockkit::errc::integrity_mismatch,
                         fmt::format("{} bytes are promised, but it has {}; correct the size in the catalogue, or find "
                                     "out who changed the data",
                                     *options_.size, found));
  }

  void stop_if_cancelled() const {
    if (sink_.cancelled()) throw lockkit::error("fetch", url_, std::make_error_code(std::errc::operation_canceled));
  }

  [[nodiscard]] std::string reason(const std::error_code& code) const {
    return code == changed_while_read() ? code.message() : exchange_.reason(code);
  }

  const std::string& url_;
  lockkit::fetch_sink& sink_;
  const transfer_options& options_;
  curl_exchange exchange_;
  std::error_code last_;
  std::string at_;  // the URL that is being asked, behind all redirects so far
  inquiry asked_;
  lockkit::content_validators version_;  // of what the sink holds; empty if it can't be gone on with
  std::optional<std::uint64_t> length_;  // of that version, as it was announced
  transfer_result result_ = transfer_result::brought;
  unsigned attempts_ = 0;
  bool ranges_refused_ = false;
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

transfer_result transfer(const std::string& url, lockkit::fetch_sink& sink, const transfer_options& options) {
  check_url(url);
  return download(url, sink, options).run();
}

}  // namespace fetching
