#pragma once
/// Campaigns run a share in the normal tests and all of it when LOCKKIT_TEST_LONG is set (scripts/test --long).

#include <cstdlib>

namespace testing {

template <class Number>
Number in_long_runs(Number all, Number share) {
  return std::getenv("LOCKKIT_TEST_LONG") != nullptr ? all : share;
}

}  // namespace testing
