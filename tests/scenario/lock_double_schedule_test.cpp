/// Two preemptions: one process is parked before its N-th call of acquiring, a careless person removes the guard or
/// nothing, another is parked before its M-th, and then they go on in either order. They never both get in, and the lock
/// stays usable.
/// Every pair of calls in long runs, a sample of them otherwise.
/// Seen to fail: with the record in place of the kernel's lock in rule 7; without the comparison in rule 7.
#include "scenario/long_runs.hpp"
#include "scenario/schedule.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t most_calls = 30;

struct pair_of_calls {
  std::uint64_t first;
  std::uint64_t second;
  bool second_goes_on_first;
};

event finish(contender& one, event state) {
  return state == event::parked ? one.resume() : state;
}

/// False: the first has no such call.
bool interleave(const step& begin, const step& disturb, const pair_of_calls& calls) {
  lock_place at;
  begin.run(at);
  contender one(at.lock);
  contender two(at.lock);
  event ones = one.acquire(3ms, {"", calls.first});
  if (ones != event::parked) return false;
  disturb.run(at);
  event twos = two.acquire(3ms, {"", calls.second});
  if (calls.second_goes_on_first) twos = finish(two, twos);
  ones = finish(one, ones);
  twos = finish(two, twos);
  REQUIRE((ones == event::held || ones == event::refused));
  REQUIRE((twos == event::held || twos == event::refused));
  // Both may be refused: the second on its way out, its time over, still has the guard that the first then waits for.
  REQUIRE_FALSE((ones == event::held && twos == event::held));
  const bool is_held = ones == event::held || twos == event::held;
  contender third(at.lock);
  REQUIRE(third.acquire() == (is_held ? event::refused : event::held));
  if (!is_held) REQUIRE(third.release() == event::released);
  if (is_held) REQUIRE((ones == event::held ? one : two).release() == event::released);
  require_usable(at);
  return true;
}

}  // namespace

TEST_CASE("two processes parked at any two calls of acquiring never both get in") {
  const auto stride = in_long_runs<std::uint64_t>(1, 4 + sampling);
  std::uint64_t turn = 0;
  for (const step& begin : beginnings) {
    for (const step& disturb : disturbances) {
      for (std::uint64_t first = 1 + turn++ % stride; first <= most_calls; first += stride) {
        bool parked = true;
        for (std::uint64_t second = 1 + turn++ % stride; parked && second <= most_calls; second += stride) {
          INFO("begins with " << begin.name << ", meanwhile " << disturb.name << ", calls " << first << " and "
                              << second);
          parked = interleave(begin, disturb, {first, second, turn % 2 == 0});
          if (parked) interleave(begin, disturb, {first, second, turn % 2 != 0});
        }
        if (!parked) break;
      }
    }
  }
}
