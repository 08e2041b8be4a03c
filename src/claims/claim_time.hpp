#pragma once
/// The two clocks as they are stored: the monotonic one decides, the wall's is for people.

#include <chrono>
#include <cstdint>

#include <lockkit/deadline.hpp>

namespace lockkit::detail {

[[nodiscard]] inline std::int64_t monotonic_ms() noexcept {
  using namespace std::chrono;
  return floor<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

/// Of a deadline that is not never().
[[nodiscard]] inline std::int64_t monotonic_ms(deadline until) noexcept {
  return std::chrono::ceil<std::chrono::milliseconds>(until.point().time_since_epoch()).count();
}

/// Never, where a deadline can't be so far away: milliseconds reach further than its nanoseconds.
[[nodiscard]] inline deadline deadline_at(std::int64_t monotonic) noexcept {
  using namespace std::chrono;
  if (monotonic >= floor<milliseconds>(deadline::never().point().time_since_epoch()).count()) return deadline::never();
  return deadline::at(deadline::clock::time_point(std::chrono::milliseconds(monotonic)));
}

/// So that no sum of a time and a duration overflows.
inline constexpr std::chrono::milliseconds longest_duration = std::chrono::years(1000);

[[nodiscard]] inline std::int64_t wall_ms() noexcept {
  using namespace std::chrono;
  return floor<milliseconds>(system_clock::now().time_since_epoch()).count();
}

[[nodiscard]] inline std::chrono::system_clock::time_point at_wall(std::int64_t ms) noexcept {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms));
}

}  // namespace lockkit::detail
