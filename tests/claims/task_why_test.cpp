/// why(): exactly what a task waits for.
#include <unistd.h>

#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

strings why(const queue_place& place, std::uint64_t id) {
  strings found;
  for (const auto& each : place.queue.why(id)) found.push_back(each.text);
  return found;
}

std::string me() {
  return std::to_string(::getpid());
}

}  // namespace

TEST_CASE("why: nothing, when it can be taken now") {
  queue_place place(1);
  CHECK(why(place, place.submit("t", one_gpu)).empty());
  CHECK(why(place, place.submit("needs nothing")).empty());
  CHECK(code_of([&](auto& ec) { place.queue.cancel(99, ec); }) == errc::no_such_task);
  CHECK_THROWS_AS(place.queue.why(99), error);
}

TEST_CASE("why: dependencies with their states, and the due time") {
  queue_place place;
  const auto a = place.submit("a");
  const auto b = place.submit("b");
  const auto c = place.submit("c");
  const auto last = place.queue.submit({.key = "last", .delay = 1h, .after = {a, b, c}}).id;
  place.queue.fail(place.queue.try_take()->ref, "x");
  place.queue.finish(place.queue.try_take()->ref);
  place.queue.cancel(c);
  place.queue.remove(c);
  const auto found = place.queue.why(last);
  REQUIRE(found.size() == 3);
  CHECK(found[0].what == wait_reason::kind::dependency);
  CHECK(found[0].text == "dependency 1 (\"a\", failed)");
  CHECK(found[1].text == "dependency 3 (removed before it was done)");
  CHECK(found[2].what == wait_reason::kind::due);
  CHECK(found[2].text.substr(0, 8) == "due in 3");
}

TEST_CASE("why: which resources are missing, and who has them") {
  queue_place place(4);
  place.store.set_state("gpu", "g3", resource_state::drained);
  place.store.set_state("gpu", "g0", resource_state::drained);
  const auto mine = place.store.try_claim(one_gpu);
  const auto holder = place.submit("holder", one_gpu);
  const auto taken = place.queue.try_take();
  place.store.set_state("gpu", "g0", resource_state::up);
  const auto id = place.submit("t", {.pool = "gpu", .count = 3});
  const auto found = place.queue.why(id);
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == wait_reason::kind::resources);
  CHECK(found[0].text == "2 more of pool \"gpu\": 4 match, 2 are claimed (by pid " + me() + ", task " +
                             std::to_string(holder) + " of pid " + me() + "), 1 is drained");
}

TEST_CASE("why: who has what the task could not use is not named") {
  queue_place place;
  place.store.add({.pool = "gpu", .name = "large", .memory = 80});
  place.store.add({.pool = "gpu", .name = "small", .memory = 40});
  const auto large = place.store.try_claim({.pool = "gpu", .memory = 80});
  const auto other = place.submit("other", one_gpu);
  const auto taken = place.queue.try_take();
  REQUIRE(taken->ref.id == other);
  const auto found = place.queue.why(place.submit("t", {.pool = "gpu", .memory = 80}));
  REQUIRE(found.size() == 1);
  CHECK(found[0].text == "1 more of pool \"gpu\" with 80 bytes: 1 matches, 1 is claimed (by pid " + me() + ")");
}

TEST_CASE("why: while others claim and release, each answer is of one moment") {
  queue_place place(1);
  signal_pipe go;
  child_process busy([&, parent = ::getpid()] {
    claim_store theirs(place.database);
    while (!go.ready(0) && ::getppid() == parent) (void)theirs.try_claim(one_gpu);
    return 0;
  });
  const auto id = place.submit("t", one_gpu);
  for (int i = 0; i < 5000; ++i) {
    const auto found = place.queue.why(id);
    CHECK((found.empty() || found[0].what == wait_reason::kind::resources));
  }
  go.send();
  CHECK(busy.wait() == 0);
}

TEST_CASE("why: needs that nothing could meet") {
  queue_place place;
  const auto reason = [&](claim_request needs) {
    static int n = 0;
    return why(place, place.submit(std::to_string(++n), std::move(needs)));
  };
  CHECK(reason({.pool = "gpu"}) == strings{"there is nothing in pool \"gpu\""});
  place.store.add({.pool = "gpu", .name = "a", .group = "left", .memory = 40'000'000'000});
  place.store.add({.pool = "gpu", .name = "b", .group = "right", .memory = 24ULL << 30});
  CHECK(reason({.pool = "gpu", .memory = 80'000'000'000}) ==
        strings{"nothing in pool \"gpu\" has 80 GB: the largest has 40 GB"});
  CHECK(reason({.pool = "gpu", .group = "middle"}) == strings{"there is nothing in group \"middle\" in pool \"gpu\""});
  CHECK(reason({.pool = "gpu", .match = R"({"arch":"x"})"}) ==
        strings{"there is nothing that matches {\"arch\":\"x\"} in pool \"gpu\""});
  CHECK(reason({.pool = "gpu", .count = 3}) == strings{"3 of pool \"gpu\" at once: 2 match"});
  CHECK(reason({.pool = "gpu", .count = 2, .memory = 24ULL << 30, .one_group = true}) ==
        strings{"2 of one group of pool \"gpu\" with 24 GiB: the largest, \"left\", has 1"});
}

TEST_CASE("why: the tasks ahead that go first or have set units aside") {
  queue_place place(2);
  const auto busy = place.store.try_claim(one_gpu);
  const auto first = place.submit("first", one_gpu);
  const auto second = place.submit("second", one_gpu);
  CHECK(why(place, first).empty());
  CHECK(why(place, second) == strings{"behind task 1 (\"first\"), which goes first"});
  place.queue.cancel(first);
  const auto pair = place.queue.submit({.key = "pair", .needs = {.pool = "gpu", .count = 2}, .priority = 1}).id;
  CHECK(why(place, second).empty());
  ask_sqlite(place.database, "UPDATE task SET ready_ms = ready_ms - 2000, due_ms = due_ms - 2000");
  const auto found = place.queue.why(second);
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == wait_reason::kind::behind);
  CHECK(found[0].text == "behind task " + std::to_string(pair) + " (\"pair\"), which has set aside 1 of pool \"gpu\"");
  CHECK_FALSE(place.queue.try_take());
}

TEST_CASE("why: behind more tasks than a take looks at") {
  queue_place place(1);
  const auto busy = place.store.try_claim(one_gpu);
  for (int i = 0; i < 64; ++i) place.submit(std::to_string(i), one_gpu);
  const auto last = place.submit("needs nothing");
  CHECK(why(place, last) == strings{"behind 64 ready tasks; a take looks at the first 64 unless told otherwise"});
  CHECK_FALSE(place.queue.try_take());
}

TEST_CASE("why: held, unknown, cancelled and over") {
  queue_place place;
  const auto id = place.queue.submit({.key = "t", .max_attempts = 2}).id;
  auto taken = place.queue.try_take();
  CHECK(why(place, id)[0].find("attempt 1 of 2: taken, held by pid " + me() + " on ") == 0);
  place.queue.running(taken->ref, "job 7");
  CHECK(why(place, id)[0].find("attempt 1 of 2: running as \"job 7\", held by pid " + me()) == 0);
  place.queue.cancel(id);
  CHECK(place.queue.why(id)[1].what == wait_reason::kind::cancelled);
  taken.reset();
  CHECK(why(place, id)[0].find("attempt 1 of 2: its holder is gone, and it may go on as \"job 7\"") == 0);
  CHECK(place.queue.why(id)[0].what == wait_reason::kind::held);
  place.queue.retry(id);
  auto again = place.queue.try_take();
  place.queue.fail(again->ref, "no");
  CHECK(why(place, id) == strings{"failed: no"});
  CHECK(place.queue.why(id)[0].what == wait_reason::kind::over);
  place.queue.retry(id);
  place.queue.cancel(id);
  CHECK(why(place, id) == strings{"cancelled"});
  CHECK(place.queue.why(id)[0].what == wait_reason::kind::cancelled);
  const auto other = place.submit("other");
  place.queue.finish(place.queue.try_take()->ref, "secret");
  CHECK(why(place, other) == strings{"done"});
}
