/// Random operations, crashes, reboots and clock steps, on a real database by real processes and on a plain model.
/// Seen to fail: tokens that do not grow, a lost task made unknown instead of ready, drained units granted, dead jobs not
/// buried, blocked tasks taken, priorities ignored.
#include "claims/model/simulation.hpp"
#include "support/catch.hpp"

namespace {

struct extent {
  unsigned seeds;
  unsigned steps;
};

#if defined(__SANITIZE_ADDRESS__)
constexpr extent usual{40, 100};  // five times as slow
#else
constexpr extent usual{100, 100};
#endif

extent wanted() {
  return std::getenv("LOCKKIT_TEST_LONG") != nullptr ? extent{2000, 200} : usual;
}

void simulate(unsigned seed, unsigned steps) {
  INFO("seed " << seed);
  model::simulation run(seed);
  for (unsigned step = 0; step < steps; ++step) {
    REQUIRE_NOTHROW(run.step());
    if (step % 10 == 9) REQUIRE_NOTHROW(run.check_all());
  }
  REQUIRE_NOTHROW(run.check_integrity());
}

}  // namespace

TEST_CASE("claims and tasks do what a plain model does, over random steps, crashes, reboots and clock steps") {
  for (unsigned seed = 0; seed < wanted().seeds; ++seed) simulate(seed, wanted().steps);
}

TEST_CASE("a task without a delay is due after a reboot although the wall clock was ahead: a long run's find") {
  simulate(90, 200);
}
