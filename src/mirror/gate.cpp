#include "gate.hpp"

#include <algorithm>
#include <chrono>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

namespace lockkit::detail {
namespace {

// Longer than publishers have the gate, in the end also on a slow disk.
constexpr std::chrono::milliseconds first_patience{250};
constexpr std::chrono::milliseconds longest_patience{8000};

std::error_code not_had(const std::stop_token& stop) noexcept {
  return stop.stop_requested() ? std::make_error_code(std::errc::operation_canceled) : make_error_code(errc::timed_out);
}

}  // namespace

lock_options gate::options_for(const cache_layout& layout) {
  lock_options options;
  options.mode = layout.lock_mode();
  options.label = "cache gate";
  return options;
}

void gate::take_turn(deadline until, const std::stop_token& stop, std::error_code& ec) {
  if (!turn_.try_lock_until(until, stop, ec) && !ec) ec = not_had(stop);
}

void gate::enter_shared(deadline until, const std::stop_token& stop, std::error_code& ec) {
  take_turn(until, stop, ec);
  if (ec) return;
  if (!gate_.try_lock_shared_until(until, stop, ec) && !ec) ec = not_had(stop);
  turn_.unlock();
}

/// Stands in nobody's way: who waits for a file_mutex keeps out those who would share it.
bool gate::look_in_now_and_then(deadline until, const std::stop_token& stop, std::error_code& ec) {
  backoff pause({.first = std::chrono::milliseconds(1), .longest = std::chrono::milliseconds(50)});
  bool entered = gate_.try_lock(ec);
  while (!entered && !ec && !stop.stop_requested() && pause.sleep(until)) entered = gate_.try_lock(ec);
  return entered;
}

void gate::enter_exclusive(deadline until, const std::stop_token& stop, std::error_code& ec) {
  for (auto patience = first_patience;; patience = std::min(2 * patience, longest_patience)) {
    take_turn(until, stop, ec);
    if (ec) return;
    if (gate_.try_lock_until(earlier(until, deadline::after(patience)), stop, ec)) return;
    turn_.unlock();
    if (!ec && (until.expired() || stop.stop_requested())) ec = not_had(stop);
    if (ec || look_in_now_and_then(earlier(until, deadline::after(patience)), stop, ec)) return;
    if (ec) return;
  }
}

}  // namespace lockkit::detail
