#pragma once
/// How content comes into a mirror_cache: when to fetch, what a fetch function works with, what a request may say.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// When to fetch.
class fetch_policy {
 public:
  /// Only if the key is not cached.
  [[nodiscard]] static constexpr fetch_policy if_missing() noexcept { return fetch_policy(kind::if_missing, {}); }
  /// Served by a fetch that began after this request; requests that wait together share one.
  [[nodiscard]] static constexpr fetch_policy always() noexcept { return fetch_policy(kind::always, {}); }
  /// Fetch if the cached content was fetched longer ago, by the wall clock (a stepped clock costs a fetch, no more).
  [[nodiscard]] static constexpr fetch_policy if_older_than(std::chrono::nanoseconds age) noexcept {
    return fetch_policy(kind::if_older_than, age);
  }
  /// Fetch if the time until which the fetch function said the content is fresh has passed (fetch_sink::set_expiry), by
  /// the wall clock. A content of which that was never said counts as stale: its source is asked each time.
  [[nodiscard]] static constexpr fetch_policy if_stale() noexcept { return fetch_policy(kind::if_stale, {}); }
  /// Never: errc::not_cached if the key is missing.
  [[nodiscard]] static constexpr fetch_policy never() noexcept { return fetch_policy(kind::never, {}); }

  enum class kind { if_missing, always, if_older_than, if_stale, never };
  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  [[nodiscard]] constexpr std::chrono::nanoseconds age() const noexcept { return age_; }

 private:
  constexpr fetch_policy(kind which, std::chrono::nanoseconds age) noexcept : kind_(which), age_(age) {}
  kind kind_;
  std::chrono::nanoseconds age_;
};

/// How far a fetch is.
struct fetch_progress {
  std::uint64_t bytes = 0;               ///< received so far
  std::optional<std::uint64_t> total{};  ///< if the fetch said so
};

/// What the source of a content calls this version of it. Told by a fetch function, kept with the content, told to the
/// next fetch function. The cache compares nothing: what these mean is between them. A part longer than 512 bytes is not
/// kept, which costs a whole fetch the next time.
struct content_validators {
  std::string etag{};
  std::string last_modified{};
  std::string other{};  ///< anything

  [[nodiscard]] bool empty() const noexcept { return etag.empty() && last_modified.empty() && other.empty(); }
  friend bool operator==(const content_validators&, const content_validators&) = default;
};

/// What the cache has of a key, whole.
struct cached_version {
  content_validators validators;
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point fetched_at{};
};

/// What an earlier fetch of the key brought before it failed or was killed.
struct partial_content {
  std::uint64_t bytes = 0;  ///< from the content's beginning
  content_validators validators;
};

/// Where a fetch callback puts what it brings. Valid during the callback only, on its thread.
class LOCKKIT_API fetch_sink {
 public:
  /// Appends everything or throws. Hashed on the way.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Announces the size, for progress and for an early "disk full". Content of another size is refused afterwards.
  void expect_size(std::uint64_t bytes);
  /// Starts again from nothing: for a retry after a broken transfer.
  void restart();
  [[nodiscard]] std::uint64_t size() const noexcept;
  /// True when the caller's stop_token or deadline asks the fetch to give up; poll it in long transfers. Once it has
  /// said so, what was brought counts as incomplete, and the request ends with operation_canceled or timed_out.
  [[nodiscard]] bool cancelled() const noexcept;

  /// What the cache has: for a conditional request. None if it has nothing whole that the request would take.
  [[nodiscard]] const std::optional<cached_version>& cached() const noexcept;
  /// Instead of bringing anything: what cached() told is what the source has. It gets a new time and counts as fetched
  /// now; its validators stay if no others are set. Should it have been damaged meanwhile, the fetch function is called
  /// once more, and told that nothing is cached. std::errc::invalid_argument if cached() is none, or something was written.
  void not_modified();
  /// Of what this fetch brings, for the next one.
  void set_validators(content_validators validators);
  /// Until when the content counts as fresh under fetch_policy::if_stale.
  void set_expiry(std::chrono::system_clock::time_point until);

  /// Claims what is left of an earlier fetch of this key, for this fetch alone; none if nothing is. It is used by
  /// resume(), dropped when something is written without that, and else left for the next fetch. Never anything where
  /// kernel locks are granted to everybody, nor what a power cut may have holed.
  [[nodiscard]] std::optional<partial_content> partial();
  /// Goes on behind what partial() told, which is read again for the digest: size() is its bytes afterwards. Only when
  /// the source has promised that it is still the same version. std::errc::invalid_argument if nothing was claimed, or
  /// something was written already.
  void resume();
  /// Call before the first byte: should this fetch fail or be killed, what came so far is kept for the next one, under
  /// these validators. After restart() it must be said again. Kept for a week at most. Without effect where that can't
  /// be done safely, and for a content that the cache itself refused. std::errc::invalid_argument behind the first byte.
  void keep_partial(content_validators validators);

 private:
  friend class mirror_cache;
  struct impl;
  explicit fetch_sink(impl& state) noexcept : impl_(&state) {}
  impl* impl_;
};

/// Brings the content of one key. Runs on the requesting thread, under the key's lock. Throwing ends the request with
/// that exception (but see offline_mode::stale_if_error); the cache stays as it was. Called a second time if what it declared
/// not_modified() is found damaged, or if a resumed content turned out to have another digest than promised.
using fetch_function = std::function<void(fetch_sink&)>;

/// What is served when nothing can be fetched.
enum class offline_mode {
  never,  ///< a fetch that fails is an error
  /// What is cached, however old, if the fetch function throws; cache_entry::stale_reason() says what. Not when the
  /// request was stopped or ran out of time, nor when the cache refused the content (digest, size, a full disk), nor on
  /// std::bad_alloc or a code errc::integrity_mismatch of the fetch function's own: then the exception passes through.
  /// A cached content without the promised digest is not served either.
  stale_if_error,
  /// What is cached, however old; the fetch function is never called. errc::not_cached, naming the key, if nothing is.
  only,
};

/// What a request may say beyond key, callback and policy.
struct request_options {
  deadline until = deadline::never();   ///< errc::timed_out when it passes. One that has passed on arrival forbids to
                                        ///< wait for another's fetch, and leaves an own one all the time
  std::stop_token stop{};               ///< ends a wait, std::errc::operation_canceled
  std::optional<std::string> sha256{};  ///< 64 hexadecimal digits the content must have: errc::integrity_mismatch.
                                        ///< A cached content with another digest counts as missing
  std::function<void(const fetch_progress&)> on_progress{};             ///< during an own fetch, on this thread
  std::function<void(const std::string& key, const owner&)> on_wait{};  ///< once, when another's fetch is waited for
  /// While another's fetch is waited for, each time that it has come further, at most five times a second. If unset,
  /// nothing is looked for. A fetch tells after a quarter of a second for the first time.
  std::function<void(const fetch_progress&)> on_wait_progress{};
  offline_mode offline = offline_mode::never;
  /// Who has waited so long for another's fetch fetches himself, beside it: work done twice, and nothing worse, since
  /// each fetch has a file of its own and contents and records appear whole. No lock is pretended: `always` is not
  /// answered by such a fetch for others, and fetch_and_mirror holds nothing while it mirrors. Unset: wait.
  /// (Where the filesystem has no locks at all, requests that must fetch are still an error.)
  std::optional<std::chrono::nanoseconds> unlocked_after{};
};

}  // namespace lockkit::inline v0
