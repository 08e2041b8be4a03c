#pragma once
/// A wall clock that jumps, for one process: this program again, which runs a hidden test.

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "support/catch.hpp"
#include "support/fake_clock.hpp"
#include "support/process.hpp"

namespace testing {

/// In the hidden test: false if somebody's filter found it.
inline bool is_stepped() {
  return ::getenv("LOCKKIT_TEST_CLOCK") != nullptr;
}

/// In the hidden test: where it may work.
inline std::filesystem::path stepped_place() {
  return ::getenv("LOCKKIT_TEST_CLOCK");
}

/// In the hidden test: now the clock jumps.
inline void step_clock() {
  const auto wall_before = std::chrono::system_clock::now();
  fake_clock::step(stepped_place(), ::getenv("LOCKKIT_TEST_STEP"));
  const auto stepped = std::chrono::system_clock::now() - wall_before;
  CHECK((stepped > std::chrono::minutes(30) || stepped < std::chrono::minutes(-30)));
}

/// Runs it with a clock that jumps by an hour, to and fro.
inline void run_with_steps(const char* hidden_test) {
  const auto library = find_faketime();
  if (!library) {
    WARN("skipped: libfaketime (package libfaketime) is not installed");
    return;
  }
  for (const char* step : {"+3600s", "-3600s"}) {
    const fake_clock clock(*library);
    child_process stepped([&] {
      clock.wear();
      ::setenv("LOCKKIT_TEST_CLOCK", clock.folder().c_str(), 1);
      ::setenv("LOCKKIT_TEST_STEP", step, 1);
      ::execl("/proc/self/exe", "claims_tests", hidden_test, nullptr);
      return 127;
    });
    INFO("step " << step);
    CHECK(stepped.wait() == 0);
  }
}

}  // namespace testing
