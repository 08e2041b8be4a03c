/// A lease under a wall clock that jumps by an hour. libfaketime gives the process such a clock; it is this program again,
/// running the hidden test below. Seen to fail with the monotonic clock stepped as well.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/fake_clock.hpp"
#include "support/process.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_CASE("hidden: one lease while the wall clock steps", "[.]") {
  if (::getenv("LOCKKIT_TEST_CLOCK") == nullptr) return;  // found by somebody's filter
  const fs::path folder = ::getenv("LOCKKIT_TEST_CLOCK");
  claim_store store(folder / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 1500ms});
  REQUIRE(held);
  const auto wall_before = std::chrono::system_clock::now();
  testing::fake_clock::step(folder, ::getenv("LOCKKIT_TEST_STEP"));
  const auto stepped = std::chrono::system_clock::now() - wall_before;
  CHECK((stepped > 30min || stepped < -30min));
  CHECK(held->verify());
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  CHECK(held->renew());
  const auto next = store.claim_for({.pool = "gpu"}, 60s);  // it ends all the same
  CHECK(next);
  CHECK_FALSE(held->verify());
}

TEST_CASE("a wall clock that steps by an hour neither ends a lease nor prolongs it") {
  const auto library = testing::find_faketime();
  if (!library) {
    WARN("skipped: libfaketime (package libfaketime) is not installed");
    return;
  }
  for (const char* step : {"+3600s", "-3600s"}) {
    const testing::fake_clock clock(*library);
    testing::child_process lease([&] {
      clock.wear();
      ::setenv("LOCKKIT_TEST_CLOCK", clock.folder().c_str(), 1);
      ::setenv("LOCKKIT_TEST_STEP", step, 1);
      ::execl("/proc/self/exe", "claims_tests", "hidden: one lease while the wall clock steps", nullptr);
      return 127;
    });
    INFO("step " << step);
    CHECK(lease.wait() == 0);
  }
}
