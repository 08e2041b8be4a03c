#include "wait_terms.hpp"

#include <algorithm>
#include <array>

#include <lockkit/backoff.hpp>

namespace lockkit::detail {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::nanoseconds shortest_slice = std::chrono::milliseconds(5);

}  // namespace

void wait_terms::check(std::error_code& ec) const noexcept {
  ec.clear();
  if (cancel_.descriptor()) platform::check_waitable(*cancel_.descriptor(), ec);
}

bool wait_terms::over() noexcept {
  return until_.expired() || is_cancelled();
}

/// Rule 2.
bool wait_terms::is_cancelled() noexcept {
  if (cancelled_ || cancel_.stop().stop_requested()) return true;
  if (!cancel_.descriptor()) return false;
  cancelled_ = platform::is_readable(*cancel_.descriptor(), failure_) || failure_;
  return cancelled_;
}

void wait_terms::begin() {
  if (has_begun()) return;
  began_ = steady_clock::now();
  if (begins_) begins_(std::chrono::nanoseconds::zero());
}

void wait_terms::see(std::uint64_t holder) noexcept {
  if (!counts_time() || (holder == holder_ && seen_ != steady_clock::time_point())) return;
  holder_ = holder;
  seen_ = steady_clock::now();
  warned_ = false;
}

bool wait_terms::must_warn() const noexcept {
  return !warned_ && steady_clock::now() - seen_ >= after_;
}

void wait_terms::warn() {
  warned_ = true;
  stays_(steady_clock::now() - seen_);
}

deadline wait_terms::slice(std::chrono::nanoseconds longest) const noexcept {
  // A sleep that a descriptor can't end is short, if there is one.
  if (cancel_.descriptor()) longest = std::min<std::chrono::nanoseconds>(longest, std::chrono::milliseconds(10));
  const auto now = steady_clock::now();
  const auto part =
      std::clamp<std::chrono::nanoseconds>((now - began_) / 10, std::min(longest, shortest_slice), longest);
  const deadline end = earlier(until_, deadline::at(now + part));
  if (warned_ || after_ > std::chrono::hours(1)) return end;
  return earlier(end, deadline::at(std::max(seen_ + after_, now)));
}

void wait_terms::nap(deadline until) const noexcept {
  if (cancel_.descriptor()) {
    platform::wait_readable(*cancel_.descriptor(), until);
  } else {
    sleep_until(until);
  }
}

void wait_terms::sleep_at(platform::path_watch& watch) const noexcept {
  if (cancel_.descriptor()) {
    const std::array also{*cancel_.descriptor()};
    watch.wait(slice(), also);
  } else {
    watch.wait(slice());
  }
}

std::chrono::nanoseconds time_waited(deadline until, std::chrono::nanoseconds timeout) noexcept {
  if (timeout <= std::chrono::nanoseconds::zero()) return std::chrono::nanoseconds::zero();
  return timeout + (steady_clock::now() - until.point());
}

}  // namespace lockkit::detail
