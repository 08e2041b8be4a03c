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
  /// Never: errc::not_cached if the key is missing.
  [[nodiscard]] static constexpr fetch_policy never() noexcept { return fetch_policy(kind::never, {}); }

  enum class kind { if_missing, always, if_older_than, never };
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

 private:
  friend class mirror_cache;
  struct impl;
  explicit fetch_sink(impl& state) noexcept : impl_(&state) {}
  impl* impl_;
};

/// Brings the content of one key. Runs on the requesting thread, under the key's lock. Throwing ends the request with
/// that exception; the cache stays as it was.
using fetch_function = std::function<void(fetch_sink&)>;

/// What a request may say beyond key, callback and policy.
struct request_options {
  deadline until = deadline::never();   ///< errc::timed_out when it passes. One that has passed on arrival forbids to
                                        ///< wait for another's fetch, and leaves an own one all the time
  std::stop_token stop{};               ///< ends a wait, std::errc::operation_canceled
  std::optional<std::string> sha256{};  ///< 64 hexadecimal digits the content must have: errc::integrity_mismatch.
                                        ///< A cached content with another digest counts as missing
  std::function<void(const fetch_progress&)> on_progress{};             ///< during an own fetch, on this thread
  std::function<void(const std::string& key, const owner&)> on_wait{};  ///< once, when another's fetch is waited for
};

}  // namespace lockkit::inline v0
