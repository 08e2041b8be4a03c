/// Due times under a wall clock that jumps by an hour. Seen to fail with the due time taken from the wall clock.
#include "claims/stepped_clock.hpp"
#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace std::chrono_literals;

TEST_CASE("hidden: delayed tasks while the wall clock steps", "[.]") {
  if (!testing::is_stepped()) return;
  claim_store store(testing::stepped_place() / "claims.db");
  task_queue queue(store, "q");
  queue.submit({.key = "late", .delay = 20min});
  queue.submit({.key = "soon", .delay = 700ms});
  testing::step_clock();
  CHECK_FALSE(queue.try_take());
  const auto taken = queue.take_until({}, deadline::after(60s));
  REQUIRE(taken);
  CHECK(taken->key == "soon");
  CHECK_FALSE(queue.try_take());
}

TEST_CASE("a wall clock that steps by an hour neither hastens a delayed task nor holds it back") {
  testing::run_with_steps("hidden: delayed tasks while the wall clock steps");
}
