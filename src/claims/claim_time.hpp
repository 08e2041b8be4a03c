#pragma once
/// The two clocks as they are stored: the monotonic one decides, the wall's is for people.

#include <chrono>
#include <cstdint>

namespace lockkit::detail {

[[nodiscard]] inline std::int64_t monotonic_ms() noexcept {
  using namespace std::chrono;
  return floor<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

[[nodiscard]] inline std::int64_t wall_ms() noexcept {
  using namespace std::chrono;
  return floor<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace lockkit::detail
