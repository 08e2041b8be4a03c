#include "fetch_stream.hpp"

#include <lockkit/error.hpp>

namespace lockkit::detail {

fetch_stream::fetch_stream(const cache_layout& layout, std::string_view name, const request_options& request,
                           bool only_try, std::error_code& ec)
    : layout_(layout),
      request_(request),
      directory_(layout.open_staging(ec)),
      began_(std::chrono::system_clock::now()),
      only_try_(only_try) {
  if (!ec) file_ = staging(directory_.get(), name, ec);
}

void fetch_stream::require(const std::error_code& ec) {
  if (!ec) return;
  failure_ = ec;
  throw error("store a fetched content in", layout_.directory(), ec);
}

void fetch_stream::write(std::span<const std::byte> bytes) {
  std::error_code ec = failure_;
  if (!ec && expected_ && bytes.size() > *expected_ - file_.size()) ec = errc::integrity_mismatch;
  if (!ec) file_.append(bytes, ec);
  require(ec);
  digest_.update(bytes);
  report_progress();
}

void fetch_stream::expect_size(std::uint64_t bytes) {
  std::error_code ec = failure_;
  if (!ec && bytes < file_.size()) ec = errc::integrity_mismatch;
  if (!ec) file_.reserve(bytes, ec);
  require(ec);
  expected_ = bytes;
  report_progress();
}

void fetch_stream::restart() {
  std::error_code ec;
  file_.reset(ec);
  require(ec);
  failure_.clear();
  digest_.reset();
  expected_.reset();
}

void fetch_stream::report_progress() const {
  if (request_.on_progress) request_.on_progress({file_.size(), expected_});
}

bool fetch_stream::deadline_passed() const noexcept {
  return !only_try_ && request_.until.expired();
}

bool fetch_stream::cancelled() noexcept {
  if (request_.stop.stop_requested() || deadline_passed()) told_to_stop_ = true;
  return told_to_stop_;
}

fetched_content fetch_stream::finish(std::error_code& ec) {
  ec = failure_;
  if (!ec && told_to_stop_) {
    ec = request_.stop.stop_requested() ? std::make_error_code(std::errc::operation_canceled)
                                        : make_error_code(errc::timed_out);
  }
  if (!ec && expected_ && *expected_ != file_.size()) ec = errc::integrity_mismatch;
  if (ec) return {};
  fetched_content content{digest_.finish(), file_.size(), began_};
  if (request_.sha256 && *request_.sha256 != content.sha256) ec = errc::integrity_mismatch;
  return content;
}

}  // namespace lockkit::detail
