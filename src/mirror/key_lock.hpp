#pragma once
/// The lock of one key: who holds it may fetch. Only requests that must fetch, and removals, ever take it.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>

#include <lockkit/deadline.hpp>
#include <lockkit/file_mutex.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

/// Used by one thread. Destroying releases.
class key_lock {
 public:
  /// `name`: the key's hash; `label`: what others see of the holder.
  key_lock(const cache_layout& layout, std::string_view name, std::string_view label,
           std::function<void(const wait_notice&)> on_wait = {});
  ~key_lock();
  key_lock(const key_lock&) = delete;
  key_lock& operator=(const key_lock&) = delete;

  /// The number of the latest hold by anybody, smaller than that of every hold that begins after this call.
  [[nodiscard]] std::uint64_t latest(std::error_code& ec) const;
  /// errc::timed_out, std::errc::operation_canceled; errc::would_deadlock if this thread holds that key's lock already
  /// (a fetch function that asks for its own key).
  void acquire(deadline until, const std::stop_token& stop, std::error_code& ec) { acquire(until, stop, {}, ec); }
  /// Calls `pulse`, if there is one, five times a second while it waits.
  void acquire(deadline until, const std::stop_token& stop, const std::function<void()>& pulse, std::error_code& ec);
  /// Whether the lock's name still leads to what is held: if somebody removed the lock files, others hold new ones.
  [[nodiscard]] bool is_the_lock() const;
  /// The number of this hold.
  [[nodiscard]] std::uint64_t number() const noexcept { return mutex_.token().value; }

 private:
  void enter(std::error_code& ec);

  const cache_layout& layout_;
  std::string name_;
  file_mutex mutex_;
  bool entered_ = false;
};

}  // namespace lockkit::detail
