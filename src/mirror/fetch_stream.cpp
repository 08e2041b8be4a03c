/// The file of a fetch.
///
///  1. Without a name (O_TMPFILE), until the fetch function says that it could be gone on with: then one of its own in
///     p/ (partial_file.cpp). Everything else is as before: hashed on the way, sealed, published by one rename.
///  2. What is gone on with is read again, so that the digest is of what the file holds, and not of what was once sent.
///  3. A failure of the cache's own (a full disk, a broken promise of size or digest) leaves nothing; one of the source,
///     or a stop, leaves what came, if it said under which validators it can be used.
///  4. What is left has been synced, and its record says so; a long transfer does both now and then. So a power cut does
///     not take it all, and never makes zeros of it that would be taken for content.

#include "fetch_stream.hpp"

#include <algorithm>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

constexpr std::uint64_t bytes_between_syncs = std::uint64_t{64} << 20U;

}  // namespace

fetch_stream::fetch_stream(const cache_layout& layout, const request_options& request, fetch_subject subject,
                           std::error_code& ec)
    : layout_(layout),
      request_(request),
      subject_(std::move(subject)),
      directory_(layout.open_staging(ec)),
      began_(std::chrono::system_clock::now()),
      note_(layout, subject_.name) {
  if (!ec) file_ = staging(directory_.get(), subject_.name, ec);
}

fetch_stream::~fetch_stream() {
  // Once the file is a content, or is to go, nobody may go on with it.
  if (kept_) kept_->forget();
}

/// So many bytes, unless it is told to stop.
template <class Use>
void fetch_stream::read_all(int file, std::uint64_t size, const Use& use, std::error_code& ec) {
  std::vector<std::byte> chunk(std::size_t{256} << 10U);
  for (std::uint64_t at = 0; at < size && !cancelled();) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size - at));
    const std::size_t n = platform::pread_some(file, std::span(chunk).first(wanted), at, ec);
    if (!ec && n == 0) ec = errc::integrity_mismatch;
    if (ec) return;
    use(std::span<const std::byte>(chunk).first(n));
    at += n;
  }
}

void fetch_stream::require(const std::error_code& ec) {
  if (!ec) return;
  failure_ = ec;
  throw error("store a fetched content in", layout_.directory(), ec);
}

/// Wrong use of the sink.
void fetch_stream::refuse_unless(bool allowed, const char* why) {
  if (allowed) return;
  failure_ = std::make_error_code(std::errc::invalid_argument);
  throw error("fetch into", layout_.directory(), failure_, why);
}

void fetch_stream::write(std::span<const std::byte> bytes) {
  std::error_code ec = failure_;
  if (!ec && expected_ && bytes.size() > *expected_ - file_.size()) ec = errc::integrity_mismatch;
  if (!ec) drop_claimed();
  if (!ec) file_.append(bytes, ec);
  require(ec);
  digest_.update(bytes);
  sync_now_and_then();
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
  if (kept_) kept_->forget();
  file_.reset(ec);
  require(ec);
  failure_.clear();
  digest_.reset();
  expected_.reset();
  validators_.reset();
  expires_.reset();
  synced_ = 0;
  keeps_ = resumed_ = unmodified_ = false;
}

void fetch_stream::not_modified() {
  refuse_unless(cached() && size() == 0, "not_modified() needs a cached content, and nothing written");
  unmodified_ = true;
}

std::optional<partial_content> fetch_stream::partial() {
  if (subject_.whole || kept_ || size() != 0) return std::nullopt;
  if (!claimed_) claimed_ = partial_file::claim(layout_, subject_.name, subject_.key);
  if (!claimed_) return std::nullopt;
  return partial_content{claimed_->bytes(), claimed_->validators()};
}

void fetch_stream::resume() {
  refuse_unless(claimed_ && !kept_ && size() == 0, "resume() needs what partial() told, and nothing written");
  std::error_code ec;
  staging opened = claimed_->open(ec);
  if (!ec && expected_ && *expected_ < opened.size()) ec = errc::integrity_mismatch;
  require(ec);
  kept_ = std::move(claimed_);
  claimed_.reset();
  file_ = std::move(opened);
  keeps_ = resumed_ = true;  // rule 2
  read_all(file_.fd(), file_.size(), [this](std::span<const std::byte> bytes) { digest_.update(bytes); }, ec);
  require(ec);
  report_progress();
}

bool fetch_stream::take_from(int file) {
  std::error_code ec;
  drop_claimed();
  const auto use = [this](std::span<const std::byte> bytes) {
    std::error_code full;
    file_.append(bytes, full);
    require(full);
    digest_.update(bytes);
  };
  read_all(file, cached()->size, use, ec);
  unmodified_ = false;
  expected_.reset();
  taken_ = true;
  return !ec;
}

void fetch_stream::keep_partial(content_validators validators) {
  refuse_unless(size() == 0 || keeps_, "keep_partial() is for a beginning");
  if (validators.empty()) return;
  drop_claimed();
  std::error_code ec;
  if (!kept_) {
    auto made = partial_file::make(layout_, subject_.name, subject_.key);
    staging opened = made ? made->open(ec) : staging();
    if (!opened) return;
    kept_ = std::move(made);
    file_ = std::move(opened);
    std::error_code full;  // will show again
    if (expected_) file_.reserve(*expected_, full);
  }
  kept_->describe(storable(std::move(validators)), synced_, ec);
  keeps_ = !ec;
}

/// Of no use to this fetch, which begins anew: of none to the next.
void fetch_stream::drop_claimed() noexcept {
  if (claimed_) claimed_->drop();
  claimed_.reset();
}

/// Rule 4. A failed sync is remembered by the file.
void fetch_stream::sync_now_and_then() {
  if (!keeps_ || layout_.options().level == durability::visible) return;
  if (file_.size() - synced_ < bytes_between_syncs) return;
  std::error_code ec;
  file_.sync(ec);
  require(ec);
  synced_ = file_.size();
  kept_->describe(content_validators(kept_->validators()), synced_, ec);
}

/// Rules 3 and 4.
void fetch_stream::keep_what_came() noexcept {
  if (!kept_ || !keeps_ || failure_ || file_.size() == 0) return;
  try {
    std::error_code ec;
    const bool syncs = layout_.options().level != durability::visible;
    if (syncs) file_.sync(ec);
    if (!ec) kept_->describe(content_validators(kept_->validators()), syncs ? file_.size() : 0, ec);
    if (ec) return;
    file_.leave();
    kept_.reset();
  } catch (const std::exception&) {
    return;  // then it is not kept
  }
}

void fetch_stream::report_progress() {
  note_.tell({file_.size(), expected_});
  if (request_.on_progress) request_.on_progress({file_.size(), expected_});
}

bool fetch_stream::deadline_passed() const noexcept {
  return !subject_.only_try && request_.until.expired();
}

bool fetch_stream::cancelled() noexcept {
  if (request_.stop.stop_requested() || deadline_passed()) told_to_stop_ = true;
  return told_to_stop_;
}

std::error_code fetch_stream::why_stopped() const {
  if (!told_to_stop_) return {};
  return request_.stop.stop_requested() ? std::make_error_code(std::errc::operation_canceled)
                                        : make_error_code(errc::timed_out);
}

bool fetch_stream::is_unmodified(std::error_code& ec) {
  ec = failure_;
  if (ec || !unmodified_) return false;
  ec = why_stopped();
  if (!ec && size() != 0) ec = std::make_error_code(std::errc::invalid_argument);
  return !ec;
}

fetched_content fetch_stream::finish(std::error_code& ec) {
  ec = failure_;
  if (!ec) ec = why_stopped();
  if (!ec && expected_ && *expected_ != file_.size()) ec = errc::integrity_mismatch;
  if (ec) return {};
  fetched_content content{digest_.finish(), file_.size(), began_};
  if (taken_ && cached()->sha256 != content.sha256) ec = errc::integrity_mismatch;
  if (request_.sha256 && *request_.sha256 != content.sha256) ec = errc::integrity_mismatch;
  return content;
}

}  // namespace lockkit::detail
