#include <lockkit/mirror_cache.hpp>

#include <lockkit/error.hpp>

#include "core/throw_error.hpp"
#include "digest.hpp"
#include "eviction.hpp"
#include "key_request.hpp"
#include "maintenance.hpp"
#include "mirror_file.hpp"
#include "statistics.hpp"

namespace lockkit::inline v0 {

struct cache_entry::impl {
  detail::pinned_content content;
  std::string stale_reason;
};

const std::string& cache_entry::key() const noexcept {
  return impl_->content.record.key;
}
const std::string& cache_entry::sha256() const noexcept {
  return impl_->content.record.sha256;
}
std::uint64_t cache_entry::size() const noexcept {
  return impl_->content.record.size;
}
std::chrono::system_clock::time_point cache_entry::fetched_at() const noexcept {
  return impl_->content.record.fetched_at;
}
bool cache_entry::fetched_here() const noexcept {
  return impl_->content.fetched_here;
}
const std::string& cache_entry::stale_reason() const noexcept {
  return impl_->stale_reason;
}
const std::filesystem::path& cache_entry::path() const noexcept {
  return impl_->content.path;
}
std::size_t cache_entry::layer() const noexcept {
  return impl_->content.layer;
}
int cache_entry::native_handle() const noexcept {
  return impl_->content.file.get();
}

struct fetch_sink::impl {
  detail::fetch_stream& stream;
};

void fetch_sink::write(std::span<const std::byte> bytes) {
  impl_->stream.write(bytes);
}
void fetch_sink::expect_size(std::uint64_t bytes) {
  impl_->stream.expect_size(bytes);
}
void fetch_sink::restart() {
  impl_->stream.restart();
}
std::uint64_t fetch_sink::size() const noexcept {
  return impl_->stream.size();
}
bool fetch_sink::cancelled() const noexcept {
  return impl_->stream.cancelled();
}
const std::optional<cached_version>& fetch_sink::cached() const noexcept {
  return impl_->stream.cached();
}
void fetch_sink::not_modified() {
  impl_->stream.not_modified();
}
void fetch_sink::set_validators(content_validators validators) {
  impl_->stream.set_validators(std::move(validators));
}
void fetch_sink::set_expiry(std::chrono::system_clock::time_point until) {
  impl_->stream.set_expiry(until);
}
std::optional<partial_content> fetch_sink::partial() {
  return impl_->stream.partial();
}
void fetch_sink::resume() {
  impl_->stream.resume();
}
void fetch_sink::keep_partial(content_validators validators) {
  impl_->stream.keep_partial(std::move(validators));
}

struct mirror_cache::impl {
  impl(const std::filesystem::path& directory, cache_options options, std::error_code& ec)
      : layout(directory, std::move(options), ec) {}

  /// The entry, and the key's lock if it was fetched for this request.
  struct obtained {
    cache_entry entry;
    std::unique_ptr<detail::key_lock> hold;
  };

  obtained obtain(std::string_view key, const fetch_function& fetch, fetch_policy policy,
                  const request_options& request) {
    require_usable();
    const auto call = [&](detail::fetch_stream& stream) {
      if (!fetch) detail::throw_error("fetch into", layout.directory(), errc::fetch_failed);
      fetch_sink::impl state{stream};
      fetch_sink sink(state);
      fetch(sink);
    };
    counter.asked();
    detail::answer answer = detail::key_request(layout, key, policy, request).run(call);
    counter.answered(answer.content.fetched_here, answer.content.stored_here ? answer.content.record.size : 0);
    auto state = std::make_shared<const cache_entry::impl>(
        cache_entry::impl{std::move(answer.content), std::move(answer.stale_reason)});
    return {cache_entry(std::move(state)), std::move(answer.hold)};
  }

  /// A constructor's error that was passed over must not lead into some other directory.
  void require_usable() const {
    if (layout.failure()) detail::throw_error("use as a cache", layout.directory(), layout.failure());
  }

  detail::cache_layout layout;
  detail::request_counter counter;
};

namespace {

// Each round, an eviction or a refresh and a sweep must have come between.
constexpr int lease_rounds = 16;

constexpr const char* about_destinations = "a mirror needs a usable name outside the cache's directory";

}  // namespace

mirror_cache::mirror_cache(const std::filesystem::path& directory, cache_options options, std::error_code& ec)
    : impl_(std::make_unique<impl>(directory, std::move(options), ec)) {
  detail::prepare_digests();
}

mirror_cache::mirror_cache(const std::filesystem::path& directory, cache_options options) {
  std::error_code ec;
  mirror_cache made(directory, std::move(options), ec);
  if (ec) detail::throw_error("use as a cache", directory, ec);
  impl_ = std::move(made.impl_);
}

mirror_cache::~mirror_cache() = default;
mirror_cache::mirror_cache(mirror_cache&& other) noexcept = default;
mirror_cache& mirror_cache::operator=(mirror_cache&& other) noexcept = default;

cache_entry mirror_cache::get(std::string_view key, const fetch_function& fetch, fetch_policy policy,
                              const request_options& request) {
  return impl_->obtain(key, fetch, policy, request).entry;
}

cache_lease mirror_cache::lease(std::string_view key, const fetch_function& fetch, fetch_policy policy,
                                const request_options& request) {
  std::error_code ec;
  for (int round = 0; round < lease_rounds; ++round) {
    cache_lease taken(get(key, fetch, policy, request), ec);
    if (!ec) return taken;
    if (ec != errc::not_cached) break;
    if (policy.which() != fetch_policy::kind::never) policy = fetch_policy::if_missing();  // it was asked for already
  }
  detail::throw_error("lease a content of", directory(), ec);
}

mirror_result mirror_cache::mirror(const cache_entry& entry, const std::filesystem::path& destination,
                                   const mirror_options& options, std::error_code& ec) {
  const detail::mirror_source source{entry.path(), entry.native_handle(), entry.sha256(), entry.size()};
  return detail::mirror_file(source, destination, impl_->layout, options, ec);
}

mirror_result mirror_cache::mirror(const cache_entry& entry, const std::filesystem::path& destination,
                                   const mirror_options& options) {
  std::error_code ec;
  const mirror_result result = mirror(entry, destination, options, ec);
  if (ec) detail::throw_error("mirror to", destination, ec, ec == errc::invalid_name ? about_destinations : "");
  return result;
}

mirror_cache::mirrored mirror_cache::fetch_and_mirror(std::string_view key, const std::filesystem::path& destination,
                                                      const fetch_function& fetch, fetch_policy policy,
                                                      const mirror_options& how, const request_options& request) {
  impl_->require_usable();
  // What can never succeed is refused before it costs a fetch.
  const std::error_code ec = detail::check_destination(destination, impl_->layout);
  if (ec) detail::throw_error("mirror to", destination, ec, ec == errc::invalid_name ? about_destinations : "");
  impl::obtained got = impl_->obtain(key, fetch, policy, request);
  const mirror_result result = mirror(got.entry, destination, how);
  return {std::move(got.entry), result};
}

std::vector<cache_record> mirror_cache::list() const {
  impl_->require_usable();
  return detail::throwing("list", directory(), [&](std::error_code& ec) { return list_keys(impl_->layout, ec); });
}

bool mirror_cache::remove(std::string_view key, deadline until) {
  impl_->require_usable();
  const std::string name = detail::name_of_key(impl_->layout, key);
  return detail::throwing("remove a key from", directory(),
                          [&](std::error_code& ec) { return remove_key(impl_->layout, name, key, until, ec); });
}

eviction_result mirror_cache::evict(const eviction_limits& limits) {
  impl_->require_usable();
  return detail::throwing("evict from", directory(),
                          [&](std::error_code& ec) { return evict_from(impl_->layout, limits, ec); });
}

std::vector<cache_damage> mirror_cache::verify(const verify_options& options) {
  impl_->require_usable();
  return detail::throwing("verify", directory(),
                          [&](std::error_code& ec) { return verify_cache(impl_->layout, options, ec); });
}

std::vector<cache_damage> mirror_cache::verify(bool repair, deadline until) {
  return verify(verify_options{.repair = repair, .until = until});
}

cache_statistics mirror_cache::statistics() const {
  impl_->require_usable();
  cache_statistics all;
  all.own = detail::throwing("look into", directory(),
                             [&](std::error_code& ec) { return count_directory(impl_->layout, ec); });
  for (const detail::cache_layout& layer : impl_->layout.layers()) {
    std::error_code unreadable;  // what was seen is told
    all.layers.push_back(count_directory(layer, unreadable));
  }
  all.requests = impl_->counter.read();
  return all;
}

const std::filesystem::path& mirror_cache::directory() const noexcept {
  return impl_->layout.directory();
}

}  // namespace lockkit::inline v0
