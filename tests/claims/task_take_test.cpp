/// Taking: order, resources, who may pass whom.
#include <signal.h>

#include <algorithm>
#include <set>

#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

/// Lets tasks look as if they had been ready for so long.
void age(const queue_place& place, std::chrono::milliseconds by) {
  ask_sqlite(place.database, "UPDATE task SET ready_ms = ready_ms - " + std::to_string(by.count()) +
                                 ", due_ms = due_ms - " + std::to_string(by.count()));
}

std::string key_taken(queue_place& place, take_options options, std::vector<taken_task>& held) {
  auto taken = place.queue.try_take(options);
  if (!taken) return {};
  held.push_back(std::move(*taken));
  return held.back().key;
}

}  // namespace

TEST_CASE("the greatest priority goes first, then the oldest") {
  queue_place place;
  place.queue.submit({.key = "a", .priority = 0});
  place.queue.submit({.key = "b", .priority = 5});
  place.queue.submit({.key = "c", .priority = 5});
  place.queue.submit({.key = "d", .priority = -5});
  std::vector<taken_task> held;
  for (const char* key : {"b", "c", "a", "d", ""}) CHECK(key_taken(place, {}, held) == key);
}

TEST_CASE("a task is taken with all it needs or not at all, and never with units that somebody has") {
  queue_place place(3);
  place.submit("two", {.pool = "gpu", .count = 2});
  place.submit("another two", {.pool = "gpu", .count = 2});
  auto first = place.queue.try_take();
  REQUIRE(first);
  CHECK(first->held.items().size() == 2);
  CHECK_FALSE(place.queue.try_take());
  CHECK(place.used() == 2);
  CHECK(place.store.try_claim(one_gpu));
  first.reset();
  place.queue.retry(1);
  CHECK(place.queue.try_take());
}

TEST_CASE("a task behind one whose resources are not free may pass it, unless strict order was asked for") {
  queue_place place(1);
  place.store.add({.pool = "licence", .name = "l0"});
  const auto gpu = place.store.try_claim(one_gpu);
  place.submit("blocked", one_gpu);
  place.submit("free", {.pool = "licence"});
  place.submit("needs nothing");
  std::vector<taken_task> held;
  CHECK(key_taken(place, {.look_at = 1}, held).empty());
  CHECK(key_taken(place, {.look_at = 0}, held).empty());
  CHECK(key_taken(place, {.look_at = 2}, held) == "free");
  CHECK(key_taken(place, {.look_at = 2}, held) == "needs nothing");
}

TEST_CASE("tasks that need nothing are taken as often as they are there, each with a claim of its own") {
  queue_place place;
  for (int i = 0; i < 3; ++i) place.submit(std::to_string(i));
  std::vector<taken_task> held;
  while (!key_taken(place, {}, held).empty()) {
  }
  REQUIRE(held.size() == 3);
  for (auto& each : held) {
    CHECK(each.held.items().empty());
    CHECK(each.held.verify());
  }
  CHECK(held[0].ref.claim_key != held[1].ref.claim_key);
}

TEST_CASE("needs: memory, group and attributes are matched, the smallest that fits goes first") {
  queue_place place;
  place.store.add({.pool = "gpu", .name = "big", .group = "b", .memory = 80, .attributes = R"({"arch":"hopper"})"});
  place.store.add({.pool = "gpu", .name = "small", .group = "a", .memory = 24});
  place.submit("any", one_gpu);
  place.submit("hopper", {.pool = "gpu", .match = R"({"arch":"hopper"})"});
  std::vector<taken_task> held;
  CHECK(key_taken(place, {}, held) == "any");
  CHECK(held[0].held.items()[0].name == "small");
  CHECK(key_taken(place, {}, held) == "hopper");
  CHECK(held[1].held.items()[0].name == "big");
}

TEST_CASE("needs that nothing could ever meet stop nobody else, however long they wait") {
  queue_place place(2);
  place.submit("impossible", {.pool = "gpu", .count = 9});
  place.submit("no such pool", {.pool = "tpu"});
  place.submit("possible", one_gpu);
  age(place, 1h);
  CHECK(place.queue.try_take()->key == "possible");
}

TEST_CASE("a task that needs several sets its part aside once it has waited, and then gets all") {
  queue_place place(4);
  std::vector<taken_task> small;
  for (int i = 0; i < 4; ++i) place.submit("s" + std::to_string(i), one_gpu);
  while (!key_taken(place, {}, small).empty()) {
  }
  REQUIRE(small.size() == 4);
  place.submit("large", {.pool = "gpu", .count = 4});
  for (int i = 4; i < 12; ++i) place.submit("s" + std::to_string(i), one_gpu);
  // A stream of tasks for one unit each: at first they pass.
  place.queue.finish(small[0].ref);
  CHECK(key_taken(place, {}, small) == "s4");
  age(place, 2s);
  std::vector<taken_task> held;
  for (std::size_t i = 1; i < 4; ++i) {
    place.queue.finish(small[i].ref);
    CHECK(key_taken(place, {}, held).empty());
  }
  place.queue.finish(small[4].ref);
  CHECK(key_taken(place, {}, held) == "large");
  CHECK(held[0].held.items().size() == 4);
}

TEST_CASE("what a waiting task can't use is not set aside for it") {
  queue_place place;
  place.store.add({.pool = "gpu", .name = "a0", .group = "a"});
  place.store.add({.pool = "gpu", .name = "a1", .group = "a"});
  place.store.add({.pool = "gpu", .name = "b0", .group = "b"});
  place.store.add({.pool = "gpu", .name = "b1", .group = "b"});
  place.store.add({.pool = "gpu", .name = "c0", .group = "c"});
  const auto busy = place.store.try_claim({.pool = "gpu", .group = "a"});
  const auto also = place.store.try_claim({.pool = "gpu", .group = "b"});
  place.submit("pair", {.pool = "gpu", .count = 2, .one_group = true});
  for (int i = 0; i < 3; ++i) place.submit(std::to_string(i), one_gpu);
  age(place, 2s);
  std::vector<taken_task> held;
  std::set<std::string> names;
  while (!key_taken(place, {}, held).empty()) names.insert(held.back().held.items()[0].name);
  // One of a and b is kept whole for the pair; the other one's free unit and the group that is too small are not.
  CHECK(names.size() == 2);
  CHECK(names.count("c0") == 1);
}

TEST_CASE("a resource of several units is shared up to the last of them while a task waits for more") {
  queue_place place;
  place.store.add({.pool = "licence", .name = "cad", .capacity = 3});
  place.store.add({.pool = "licence", .name = "cam", .group = "rare"});
  const auto cam = place.store.try_claim({.pool = "licence", .group = "rare"});
  place.submit("both", {.pool = "licence", .count = 2});
  place.submit("one", {.pool = "licence"});
  age(place, 2s);
  CHECK(place.queue.try_take()->key == "one");
}

TEST_CASE("who waits for a claim comes before tasks that want the same") {
  queue_place place(1);
  auto held = place.store.try_claim(one_gpu);
  signal_pipe had;
  signal_pipe end;
  child_process waiter([&] {
    claim_store theirs(place.database);
    const auto mine = theirs.claim_for(one_gpu, 30s);
    had.send(mine ? 'y' : 'n');
    end.receive();
    return 0;
  });
  await_waiters(place.database, 1);
  while (sleeps_on(waiter) == 0) {
  }
  waiter.signal(SIGSTOP);  // it keeps its place
  place.submit("t", one_gpu);
  held.reset();
  CHECK_FALSE(place.queue.try_take());
  waiter.signal(SIGCONT);
  CHECK(had.receive() == 'y');
  end.send();
  CHECK(waiter.wait() == 0);
  CHECK(place.queue.try_take());
}

TEST_CASE("a task that kills its holder each time fails in the end, and stands in nobody's way") {
  queue_place place(1);
  const auto poison = place.queue.submit({.key = "poison", .needs = one_gpu, .max_attempts = 3}).id;
  const auto behind = place.submit("behind", one_gpu);
  for (int i = 0; i < 3; ++i) {
    child_process victim([&] {
      claim_store theirs(place.database);
      task_queue queue(theirs, "q");
      const auto taken = queue.try_take();
      if (!taken || taken->ref.id != poison) return 1;
      ::raise(SIGKILL);
      return 0;
    });
    CHECK(victim.wait() == 128 + SIGKILL);
  }
  auto taken = place.queue.try_take();
  REQUIRE(taken);
  CHECK(taken->ref.id == behind);
  CHECK(place.state(poison) == task_state::failed);
  CHECK(place.queue.find(poison)->attempt == 3);
  CHECK(events_of(place.store, poison).back() == "failed");
}

TEST_CASE("a dead holder among thousands of claims of the living is found by the next take") {
  queue_place place;
  place.store.add({.pool = "slot", .name = "s", .capacity = 5000});
  std::vector<claim> many;
  for (int i = 0; i < 1000; ++i) many.push_back(std::move(*place.store.try_claim({.pool = "slot"})));
  place.queue.submit({.key = "t", .max_attempts = 2});
  child_process victim([&] {
    claim_store theirs(place.database);
    task_queue queue(theirs, "q");
    const auto taken = queue.try_take();
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(victim.wait() == 128 + SIGKILL);
  const auto taken = place.queue.try_take();
  REQUIRE(taken);
  CHECK(taken->ref.attempt == 2);
  CHECK(std::ranges::all_of(many, [](claim& each) { return each.verify(); }));
}
