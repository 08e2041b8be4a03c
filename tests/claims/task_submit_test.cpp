/// Submitting: once for ever, dependencies, due times.
#include <set>
#include <sstream>
#include <thread>

#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

TEST_CASE("a task is submitted once by its key, and found by key and number") {
  queue_place place;
  const submission first = place.queue.submit({.key = "case 1",
                                               .payload = "any\ntext",
                                               .needs = {.pool = "gpu", .count = 2, .memory = 40, .group = "a"},
                                               .priority = -3,
                                               .max_attempts = 2});
  CHECK(first.fresh);
  const submission second = place.queue.submit({.key = "case 1", .payload = "other"});
  CHECK_FALSE(second.fresh);
  CHECK(second.id == first.id);
  const auto found = place.queue.find("case 1");
  REQUIRE(found);
  CHECK(found->id == first.id);
  CHECK(found->payload == "any\ntext");
  CHECK(found->queue == "q");
  CHECK(found->state == task_state::ready);
  CHECK(found->priority == -3);
  CHECK(found->attempt == 0);
  CHECK(found->max_attempts == 2);
  CHECK(found->needs.pool == "gpu");
  CHECK(found->needs.count == 2);
  CHECK(found->needs.memory == 40);
  CHECK(found->needs.group == "a");
  CHECK_FALSE(found->ended);
  CHECK(place.queue.find(first.id)->key == "case 1");
  CHECK_FALSE(place.queue.find("case 2"));
  CHECK_FALSE(place.queue.find(first.id + 1));
}

TEST_CASE("a key stays taken for ever: while its task waits, when it is done, and after it was removed") {
  queue_place place;
  const auto id = place.submit("once");
  auto taken = place.queue.try_take();
  CHECK_FALSE(place.queue.submit({.key = "once"}).fresh);
  place.queue.finish(taken->ref);
  CHECK_FALSE(place.queue.submit({.key = "once"}).fresh);
  CHECK(place.queue.remove(id));
  CHECK_FALSE(place.queue.find("once"));
  const submission again = place.queue.submit({.key = "once"});
  CHECK_FALSE(again.fresh);
  CHECK(again.id == id);
  CHECK_FALSE(place.queue.try_take());
}

TEST_CASE("two queues in one store share nothing but the resources") {
  queue_place place(1);
  task_queue other(place.store, "other");
  const auto mine = place.submit("same key", one_gpu);
  const submission theirs = other.submit({.key = "same key", .needs = one_gpu});
  CHECK(theirs.fresh);
  CHECK(theirs.id != mine);
  CHECK_FALSE(other.find(mine));
  CHECK(code_of([&](auto& ec) { other.cancel(mine, ec); }) == errc::no_such_task);
  auto taken = place.queue.try_take();
  REQUIRE(taken);
  CHECK(taken->ref.id == mine);
  CHECK_FALSE(other.try_take());
  CHECK(code_of([&](auto& ec) { other.finish(taken->ref, {}, ec); }) == errc::claim_lost);
  place.queue.finish(taken->ref);
  CHECK(other.try_take()->ref.id == theirs.id);
  CHECK(place.queue.list().size() == 1);
  CHECK(place.queue.history().size() == 1);
}

TEST_CASE("16 processes submit the same 1,000 keys: each is there once, and one of them made it") {
  queue_place place;
  signal_pipe go;
  std::vector<child_process> children;
  for (int i = 0; i < 16; ++i) {
    children.emplace_back([&, i] {
      claim_store store(place.database);
      task_queue queue(store, "q");
      std::string made;
      go.receive();
      for (int k = 0; k < 1000; ++k) {
        const std::string key = std::to_string((k * 7 + i * 61) % 1000);
        if (queue.submit({.key = key}).fresh) made += key + "\n";
      }
      write_file(place.directory / ("made" + std::to_string(i)), made);
      return 0;
    });
  }
  for (int i = 0; i < 16; ++i) go.send();
  for (auto& child : children) CHECK(child.wait() == 0);
  std::multiset<std::string> made;
  for (int i = 0; i < 16; ++i) {
    std::istringstream lines(read_file(place.directory / ("made" + std::to_string(i))));
    for (std::string key; std::getline(lines, key);) made.insert(key);
  }
  CHECK(made.size() == 1000);
  CHECK(std::set<std::string>(made.begin(), made.end()).size() == 1000);
  CHECK(place.queue.list({.limit = 5000}).size() == 1000);
}

TEST_CASE("what can't be submitted is refused and leaves nothing") {
  queue_place place;
  const auto refused = [&](const new_task& task) { return code_of([&](auto& ec) { place.queue.submit(task, ec); }); };
  CHECK(refused({.key = ""}) == std::errc::invalid_argument);
  CHECK(refused({.key = "a", .max_attempts = 0}) == std::errc::invalid_argument);
  CHECK(refused({.key = "a", .needs = {.pool = "gpu", .count = 0}}) == std::errc::invalid_argument);
  CHECK(refused({.key = "a", .needs = {.pool = "gpu", .match = "no json"}}) == std::errc::invalid_argument);
  CHECK(refused({.key = "a", .needs = {.life = claim_life::lease}}) == std::errc::invalid_argument);
  CHECK(refused({.key = "a", .after = {77}}) == errc::no_such_task);
  CHECK(refused({.key = "a", .after = {1}}) == errc::no_such_task);  // the number that it would have itself
  CHECK(place.queue.list().empty());
  CHECK(place.queue.submit({.key = "a"}).fresh);
  CHECK_THROWS_AS(task_queue(place.store, ""), error);
}

TEST_CASE("a task is ready when all that it depends on is done, and not before") {
  queue_place place;
  task_queue other(place.store, "other");
  const auto first = place.submit("first");
  const auto second = other.submit({.key = "second"}).id;
  const auto last = place.queue.submit({.key = "last", .after = {first, second, first}}).id;
  auto a = place.queue.try_take();
  REQUIRE(a);
  CHECK(a->ref.id == first);
  CHECK_FALSE(place.queue.try_take());
  place.queue.finish(a->ref);
  CHECK_FALSE(place.queue.try_take());
  auto b = other.try_take();
  other.finish(b->ref);
  auto c = place.queue.try_take();
  REQUIRE(c);
  CHECK(c->ref.id == last);
}

TEST_CASE("a dependency that failed or was cancelled holds back until it was retried and done") {
  queue_place place;
  const auto first = place.submit("first");
  const auto last = place.queue.submit({.key = "last", .after = {first}}).id;
  auto taken = place.queue.try_take();
  place.queue.fail(taken->ref, "broken");
  CHECK_FALSE(place.queue.try_take());
  CHECK(place.queue.retry(first));
  CHECK(place.queue.cancel(first));
  CHECK_FALSE(place.queue.try_take());
  CHECK(place.queue.retry(first));
  auto again = place.queue.try_take();
  place.queue.finish(again->ref);
  CHECK(place.queue.try_take()->ref.id == last);
}

TEST_CASE("a dependency that is done already holds nothing back, also after it was removed") {
  queue_place place;
  const auto first = place.submit("first");
  const auto failed = place.submit("failed");
  place.queue.finish(place.queue.try_take()->ref);
  place.queue.fail(place.queue.try_take()->ref, "broken");
  place.queue.submit({.key = "a", .after = {first}});
  auto a = place.queue.try_take();
  REQUIRE(a);
  CHECK(place.queue.remove(first));
  CHECK(place.queue.remove(failed));
  place.queue.submit({.key = "b", .after = {first}});
  CHECK(place.queue.try_take());
  CHECK(code_of([&](auto& ec) { place.queue.submit({.key = "c", .after = {failed}}, ec); }) == errc::no_such_task);
}

TEST_CASE("chains of dependencies run in their order, whatever the priorities") {
  queue_place place;
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 50; ++i) {
    new_task task{.key = std::to_string(i), .priority = i};
    if (i > 0) task.after = {ids.back()};
    ids.push_back(place.queue.submit(task).id);
  }
  std::vector<std::uint64_t> order;
  while (auto taken = place.queue.try_take()) {
    order.push_back(taken->ref.id);
    place.queue.finish(taken->ref);
  }
  CHECK(order == ids);
}

TEST_CASE("a delayed task is taken when its time has come, however long the delay") {
  queue_place place;
  const auto soon = place.queue.submit({.key = "soon", .delay = 150ms}).id;
  place.queue.submit({.key = "never", .delay = std::chrono::milliseconds::max()});
  place.queue.submit({.key = "past", .delay = -5s});
  CHECK(place.queue.try_take()->key == "past");  // given back at once, and its only attempt is used up
  CHECK_FALSE(place.queue.try_take());
  const auto began = std::chrono::steady_clock::now();
  const auto taken = place.queue.take_until({}, deadline::after(30s));
  REQUIRE(taken);
  CHECK(taken->ref.id == soon);
  CHECK(std::chrono::steady_clock::now() - began < 20s);
}

TEST_CASE("after a reboot a delayed task waits for what is left of its time by the wall clock") {
  queue_place place;
  const auto soon = place.queue.submit({.key = "soon", .delay = 1h}).id;
  const auto late = place.queue.submit({.key = "late", .delay = 2h}).id;
  // As if the machine had been off, and its monotonic clock had begun again.
  ask_sqlite(place.database,
             "UPDATE meta SET value = 'an earlier one' WHERE name = 'boot_id'; UPDATE task SET due_ms = "
             "due_ms + 1000000000, due_wall_ms = due_wall_ms - 3600000");
  claim_store reopened(place.database);
  task_queue queue(reopened, "q");
  const auto taken = queue.try_take();
  REQUIRE(taken);
  CHECK(taken->ref.id == soon);
  const auto reasons = queue.why(late);
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].what == wait_reason::kind::due);
  CHECK(reasons[0].text.substr(0, 8) == "due in 3");  // 3,600 s, and not the 1,000,000 s of the other clock
}
