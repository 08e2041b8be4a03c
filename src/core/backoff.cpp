#include <algorithm>
#include <cmath>

#include <lockkit/backoff.hpp>

#include "platform/process.hpp"
#include "platform/shared_word.hpp"

namespace lockkit::inline v0 {
namespace {

/// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
std::uint64_t mix(std::uint64_t& state) noexcept {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

std::uint64_t fresh_seed() noexcept {
  std::uint64_t seed = 0;
  std::error_code ec;
  platform::fill_random(&seed, sizeof seed, ec);
  return ec ? platform::wall_clock_ns() ^ platform::current_thread() : seed;
}

}  // namespace

backoff::backoff(backoff_policy policy) noexcept : policy_(policy) {}

std::chrono::nanoseconds backoff::next() noexcept {
  if (generation_ != platform::process_generation()) {
    generation_ = platform::process_generation();
    random_ = fresh_seed();
  }
  const double factor = std::max(1.0, policy_.factor);
  const auto first = static_cast<double>(std::max<std::int64_t>(0, policy_.first.count()));
  const auto longest = static_cast<double>(std::max<std::int64_t>(0, policy_.longest.count()));
  const double full = std::min(first * std::pow(factor, attempt_), longest);
  attempt_ = std::min(attempt_ + 1, 1000U);
  const double part = 0.5 + 0.5 * static_cast<double>(mix(random_) >> 11U) * 0x1.0p-53;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(full * part, 9.0e18)));
}

bool backoff::sleep(deadline until) noexcept {
  sleep_until(earlier(deadline::after(next()), until));
  return !until.expired();
}

void sleep_until(deadline until) noexcept {
  const std::uint32_t nothing = 0;
  while (!until.is_never() && !until.expired()) platform::wait_private(&nothing, 0, until);
}

}  // namespace lockkit::inline v0
