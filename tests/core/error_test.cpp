#include <lockkit/error.hpp>

#include "support/catch.hpp"

TEST_CASE("every error of lockkit says what it means, and what to do") {
  for (int value = 1; value <= static_cast<int>(lockkit::errc::gate_damaged); ++value) {
    const std::error_code code = static_cast<lockkit::errc>(value);
    INFO(value);
    CHECK(code.message() != "unknown lockkit error");
    CHECK_FALSE(lockkit::advice_for(code).empty());
  }
}
