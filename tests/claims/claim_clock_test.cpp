/// A lease under a wall clock that jumps by an hour. Seen to fail with the monotonic clock stepped as well.
#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "claims/stepped_clock.hpp"

using namespace lockkit;
using namespace std::chrono_literals;

TEST_CASE("hidden: one lease while the wall clock steps", "[.]") {
  if (!testing::is_stepped()) return;
  claim_store store(testing::stepped_place() / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 1500ms});
  REQUIRE(held);
  testing::step_clock();
  CHECK(held->verify());
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  CHECK(held->renew());
  const auto next = store.claim_for({.pool = "gpu"}, 60s);  // it ends all the same
  CHECK(next);
  CHECK_FALSE(held->verify());
}

TEST_CASE("a wall clock that steps by an hour neither ends a lease nor prolongs it") {
  testing::run_with_steps("hidden: one lease while the wall clock steps");
}
