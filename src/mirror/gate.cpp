#include "gate.hpp"

#include <lockkit/error.hpp>

namespace lockkit::detail {
namespace {

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

void gate::enter_exclusive(deadline until, const std::stop_token& stop, std::error_code& ec) {
  take_turn(until, stop, ec);
  if (ec) return;
  if (!gate_.try_lock_until(until, stop, ec) && !ec) ec = not_had(stop);
  if (ec) turn_.unlock();
}

}  // namespace lockkit::detail
