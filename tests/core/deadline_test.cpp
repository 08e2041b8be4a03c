#include <cmath>

#include <lockkit/backoff.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/retry.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using lockkit::deadline;

TEST_CASE("a deadline saturates instead of overflowing") {
  CHECK(deadline::after(std::chrono::hours::max()).is_never());
  CHECK(deadline::after(std::chrono::nanoseconds::max()).is_never());
  CHECK(deadline::after(std::chrono::hours::min()).expired());
  CHECK(deadline::after(std::chrono::duration<double>(1e300)).is_never());
  CHECK(deadline::after(std::chrono::duration<double>(std::nan(""))).expired());
  CHECK(deadline::never().remaining() == std::chrono::nanoseconds::max());
  CHECK_FALSE(deadline::never().expired());
}

TEST_CASE("a deadline of zero has passed") {
  CHECK(deadline::after(0s).expired());
  CHECK(deadline().expired());
  CHECK(deadline::after(0s).remaining() == 0ns);
}

TEST_CASE("pauses grow, stay within half and full, and end at the longest") {
  lockkit::backoff pauses({10ms, 100ms, 2.0});
  for (const auto full : {10ms, 20ms, 40ms, 80ms, 100ms, 100ms}) {
    const auto pause = pauses.next();
    CHECK(pause >= full / 2);
    CHECK(pause <= full);
  }
}

TEST_CASE("two series of pauses differ") {
  lockkit::backoff one({1s, 1s, 1.0});
  lockkit::backoff two({1s, 1s, 1.0});
  CHECK(one.next() != two.next());
}

TEST_CASE("retry runs a passing failure again and gives up on a lasting one") {
  std::error_code ec;
  int runs = 0;
  const auto fail_twice = [&](std::error_code& code) {
    if (++runs <= 2) code = std::make_error_code(std::errc::resource_unavailable_try_again);
    return runs;
  };
  CHECK(lockkit::retry({.attempts = 5, .pauses = {1ms, 1ms, 1.0}}, fail_twice, ec) == 3);
  CHECK_FALSE(ec);

  runs = 0;
  const auto no_space = [&](std::error_code& code) {
    ++runs;
    code = std::make_error_code(std::errc::no_space_on_device);
  };
  lockkit::retry({.attempts = 5}, no_space, ec);
  CHECK(runs == 1);
  CHECK(ec == std::errc::no_space_on_device);
}

TEST_CASE("retry stops at its number of attempts and at its deadline") {
  std::error_code ec;
  int runs = 0;
  const auto busy = [&](std::error_code& code) {
    ++runs;
    code = std::make_error_code(std::errc::device_or_resource_busy);
  };
  lockkit::retry({.attempts = 4, .pauses = {1us, 1us, 1.0}}, busy, ec);
  CHECK(runs == 4);
  CHECK(ec == std::errc::device_or_resource_busy);

  runs = 0;
  lockkit::retry({.attempts = 1000000, .until = deadline::after(20ms), .pauses = {5ms, 5ms, 1.0}}, busy, ec);
  CHECK(runs >= 2);
  CHECK(runs <= 10);
}
