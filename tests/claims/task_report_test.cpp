/// Reports about attempts: who may make them, and what they do.
#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a task goes from ready to done, and its claim ends with it") {
  queue_place place(1);
  const auto id = place.submit("t", one_gpu);
  auto taken = place.queue.try_take();
  REQUIRE(taken);
  CHECK(taken->key == "t");
  CHECK(taken->ref.attempt == 1);
  CHECK(taken->ref.claim_key == taken->held.key());
  CHECK(taken->held.items().size() == 1);
  CHECK(taken->held.verify());
  CHECK(place.state(id) == task_state::taken);
  place.queue.submitting(taken->ref, "outside-1");
  CHECK(place.state(id) == task_state::submitting);
  place.queue.running(taken->ref, "4711");
  CHECK(place.queue.find(id)->external == "4711");
  CHECK(place.used() == 1);
  place.queue.finish(taken->ref, "42");
  CHECK(place.state(id) == task_state::done);
  CHECK(place.queue.find(id)->result == "42");
  CHECK(place.queue.find(id)->ended);
  CHECK(place.used() == 0);
  CHECK_FALSE(taken->held.verify());
  CHECK(events_of(place.store, id) == strings{"submitted", "taken", "submitting", "running", "done"});
  const auto history = place.queue.history();
  REQUIRE(history.size() == 1);
  CHECK(history[0].task == id);
  CHECK(history[0].outcome == "done");
  CHECK(history[0].running);
  CHECK(history[0].ended);
  REQUIRE(history[0].items.size() == 1);
  CHECK(history[0].items[0].name == "g0");
  CHECK(history[0].items[0].token == taken->held.items()[0].token);
}

TEST_CASE("destroying a taken task before any report gives it back, with the attempt counted") {
  queue_place place(1);
  const auto id = place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 2}).id;
  (void)place.queue.try_take();
  CHECK(place.state(id) == task_state::ready);
  CHECK(place.used() == 0);
  CHECK(place.queue.try_take()->ref.attempt == 2);
  CHECK(place.state(id) == task_state::failed);
  CHECK(outcomes(place.queue) == strings{"lost", "lost"});
  CHECK(events_of(place.store, id) == strings{"submitted", "taken", "lost", "taken", "lost", "failed"});
}

TEST_CASE("a failure is final when the attempts are used up") {
  queue_place place(1);
  const auto id = place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 2}).id;
  auto first = place.queue.try_take();
  place.queue.fail(first->ref, "no luck");
  CHECK(place.state(id) == task_state::ready);
  CHECK(place.queue.find(id)->result == "no luck");
  CHECK(place.used() == 0);
  auto second = place.queue.try_take();
  CHECK(second->ref.attempt == 2);
  place.queue.fail(second->ref, "again");
  CHECK(place.state(id) == task_state::failed);
  CHECK(place.queue.find(id)->result == "again");
  CHECK_FALSE(place.queue.try_take());
}

TEST_CASE("a failed task is taken again after the delay that was asked for") {
  queue_place place;
  place.queue.submit({.key = "t", .max_attempts = 2});
  place.queue.fail(place.queue.try_take()->ref, "later", 1h);
  CHECK_FALSE(place.queue.try_take());
  CHECK(place.queue.why(1)[0].what == wait_reason::kind::due);
}

TEST_CASE("a task handed back has not used up an attempt") {
  queue_place place(1);
  const auto id = place.submit("t", one_gpu);
  for (int i = 0; i < 3; ++i) {
    auto taken = place.queue.try_take();
    REQUIRE(taken);
    CHECK(taken->ref.attempt == 1);
    place.queue.submitting(taken->ref, "name");
    place.queue.hand_back(taken->ref);
    CHECK(place.state(id) == task_state::ready);
    CHECK(place.used() == 0);
  }
  CHECK(outcomes(place.queue) == strings{"handed back", "handed back", "handed back"});
}

TEST_CASE("the same report twice is no error and changes nothing") {
  queue_place place(1);
  const auto id = place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 5}).id;
  auto a = place.queue.try_take();
  place.queue.submitting(a->ref, "x");
  place.queue.submitting(a->ref, "x");
  place.queue.running(a->ref, "x");
  place.queue.running(a->ref, "x");
  place.queue.submitting(a->ref, "x");
  CHECK(place.state(id) == task_state::running);
  place.queue.fail(a->ref, "why");
  place.queue.fail(a->ref, "why");
  CHECK(place.state(id) == task_state::ready);
  auto b = place.queue.try_take();
  place.queue.fail(a->ref, "why");  // taken by another since
  CHECK(place.state(id) == task_state::taken);
  place.queue.hand_back(b->ref);
  place.queue.hand_back(b->ref);
  CHECK(place.queue.find(id)->attempt == 1);
  auto c = place.queue.try_take();
  place.queue.finish(c->ref, "r");
  place.queue.finish(c->ref, "r");
  CHECK(code_of([&](auto& ec) { place.queue.finish(c->ref, "another", ec); }) == errc::claim_lost);
  CHECK(code_of([&](auto& ec) { place.queue.fail(c->ref, "r", {}, ec); }) == errc::claim_lost);
  CHECK(place.queue.find(id)->result == "r");
  CHECK(place.queue.remove(id));
  place.queue.finish(c->ref, "r");
  CHECK(events_of(place.store, id) == strings{"submitted", "taken", "submitting", "running", "failed", "taken",
                                              "handed back", "taken", "done", "removed"});
}

TEST_CASE("reports of an attempt that is over, or that never was, change nothing and say so") {
  queue_place place(1);
  const auto id = place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 9}).id;
  const task_ref old = place.queue.try_take()->ref;  // given back
  auto now = place.queue.try_take();
  task_ref wrong_key = now->ref;
  wrong_key.claim_key = std::string(32, '0');
  task_ref wrong_attempt = now->ref;
  ++wrong_attempt.attempt;
  task_ref wrong_task = now->ref;
  ++wrong_task.id;
  for (const task_ref& ref : {old, wrong_key, wrong_attempt, wrong_task, task_ref{id, 0, ""}}) {
    CHECK(code_of([&](auto& ec) { place.queue.submitting(ref, "x", ec); }) == errc::claim_lost);
    CHECK(code_of([&](auto& ec) { place.queue.running(ref, "x", ec); }) == errc::claim_lost);
    CHECK(code_of([&](auto& ec) { place.queue.finish(ref, "x", ec); }) == errc::claim_lost);
    CHECK(code_of([&](auto& ec) { place.queue.fail(ref, "x", {}, ec); }) == errc::claim_lost);
    CHECK(code_of([&](auto& ec) { place.queue.hand_back(ref, ec); }) == errc::claim_lost);
    CHECK(code_of([&](auto& ec) { place.queue.cancelled(ref, "x", ec); }) == errc::claim_lost);
  }
  CHECK_THROWS_AS(place.queue.finish(old), error);
  CHECK(place.state(id) == task_state::taken);
  CHECK(place.used() == 1);
  place.queue.finish(now->ref);
  CHECK(place.state(id) == task_state::done);
}

TEST_CASE("of two that were submitted for one attempt only the first runs") {
  queue_place place;
  place.submit("t");
  auto taken = place.queue.try_take({.submitting = true});
  CHECK(place.state("t") == task_state::submitting);
  place.queue.submitting(taken->ref, "job-1");
  place.queue.running(taken->ref, "11");
  CHECK(code_of([&](auto& ec) { place.queue.running(taken->ref, "12", ec); }) == errc::claim_lost);
  CHECK(place.queue.find("t")->external == "11");
}

TEST_CASE("of giving an attempt up as nowhere and beginning it after all, the second is refused") {
  queue_place place;
  place.submit("t");
  auto taken = place.queue.try_take({.submitting = true});
  place.queue.submitting(taken->ref, "job-1");
  SECTION("it began first") {
    place.queue.running(taken->ref, "11");
    CHECK(code_of([&](auto& ec) { place.queue.hand_back_unless_running(taken->ref, ec); }) == errc::claim_lost);
    CHECK(place.state("t") == task_state::running);
    taken.reset();  // also when nobody holds it any more
    CHECK(place.state("t") == task_state::unknown);
    const auto now = place.queue.find("t");
    CHECK_THROWS_AS(place.queue.hand_back_unless_running({now->id, now->attempt, now->claim_key}), error);
    CHECK(place.state("t") == task_state::unknown);
  }
  SECTION("it was given up first") {
    place.queue.hand_back_unless_running(taken->ref);
    place.queue.hand_back_unless_running(taken->ref);
    CHECK(code_of([&](auto& ec) { place.queue.running(taken->ref, "11", ec); }) == errc::claim_lost);
    const auto again = place.queue.try_take({.submitting = true});
    CHECK(again->ref.attempt == 1);
    CHECK(code_of([&](auto& ec) { place.queue.running(taken->ref, "11", ec); }) == errc::claim_lost);
  }
}

TEST_CASE("work that was handed outside is unknown when its holder is gone, and whoever finds out reports it") {
  queue_place place(1);
  const auto id = place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 3}).id;
  task_ref ref;
  {
    auto taken = place.queue.try_take();
    ref = taken->ref;
    place.queue.submitting(ref, "job");
  }
  CHECK(place.state(id) == task_state::unknown);
  CHECK(place.used() == 0);
  CHECK_FALSE(place.queue.try_take());
  CHECK(outcomes(place.queue) == strings{"unknown"});
  SECTION("it is done") {
    place.queue.finish(ref, "ok");
    CHECK(place.state(id) == task_state::done);
    CHECK(outcomes(place.queue) == strings{"done"});
  }
  SECTION("it failed") {
    place.queue.fail(ref, "bad");
    CHECK(place.state(id) == task_state::ready);
  }
  SECTION("it runs, and is done later") {
    place.queue.running(ref, "job");
    CHECK(place.state(id) == task_state::running);
    CHECK(outcomes(place.queue) == strings{""});
    place.queue.finish(ref);
    CHECK(place.state(id) == task_state::done);
  }
  SECTION("it never began") {
    place.queue.hand_back(ref);
    CHECK(place.state(id) == task_state::ready);
    CHECK(place.queue.try_take()->ref.attempt == 1);
  }
  SECTION("a person gives it up: then the late holder is refused") {
    CHECK(place.queue.retry(id));
    CHECK(code_of([&](auto& ec) { place.queue.finish(ref, {}, ec); }) == errc::claim_lost);
    CHECK(place.queue.try_take()->ref.attempt == 2);
  }
}

TEST_CASE("cancel: a ready task is over at once, of a taken one its holder is told") {
  queue_place place(1);
  const auto ready = place.submit("ready", one_gpu);
  CHECK(place.queue.cancel(ready));
  CHECK(place.state(ready) == task_state::cancelled);
  CHECK_FALSE(place.queue.cancel(ready));
  CHECK_FALSE(place.queue.try_take());
  const auto id = place.queue.submit({.key = "taken", .needs = one_gpu, .max_attempts = 9}).id;
  auto taken = place.queue.try_take();
  CHECK(place.queue.cancel(id));
  CHECK(place.queue.cancel(id));
  CHECK(place.state(id) == task_state::taken);
  CHECK(place.queue.find(id)->cancel_wanted);
  CHECK(place.used() == 1);
  SECTION("who stopped it reports so") {
    place.queue.cancelled(taken->ref, "stopped");
    CHECK(place.queue.find(id)->result == "stopped");
    CHECK(place.state(id) == task_state::cancelled);
  }
  SECTION("it may be done all the same") {
    place.queue.finish(taken->ref);
    CHECK(place.state(id) == task_state::done);
  }
  SECTION("what would be ready again is cancelled: failed") {
    place.queue.fail(taken->ref, "x");
    CHECK(place.state(id) == task_state::cancelled);
  }
  SECTION("what would be ready again is cancelled: handed back") {
    place.queue.hand_back(taken->ref);
    CHECK(place.state(id) == task_state::cancelled);
  }
  SECTION("what would be ready again is cancelled: lost") {
    taken.reset();
    CHECK(place.state(id) == task_state::cancelled);
  }
  taken.reset();
  CHECK(place.used() == 0);
  CHECK(code_of([&](auto& ec) { place.queue.cancel(4711, ec); }) == errc::no_such_task);
}

TEST_CASE("retry makes what is over ready again with one attempt more, and remove takes away what is over") {
  queue_place place;
  const auto id = place.submit("t");
  CHECK_FALSE(place.queue.retry(id));
  CHECK_FALSE(place.queue.remove(id));
  auto taken = place.queue.try_take();
  CHECK_FALSE(place.queue.retry(id));
  CHECK_FALSE(place.queue.remove(id));
  place.queue.fail(taken->ref, "x");
  CHECK(place.queue.retry(id));
  CHECK(place.queue.find(id)->max_attempts == 2);
  CHECK_FALSE(place.queue.find(id)->ended);
  auto again = place.queue.try_take();
  CHECK(again->ref.attempt == 2);
  CHECK(code_of([&](auto& ec) { place.queue.finish(taken->ref, {}, ec); }) == errc::claim_lost);
  place.queue.finish(again->ref);
  CHECK_FALSE(place.queue.retry(id));
  CHECK(place.queue.remove(id));
  CHECK(code_of([&](auto& ec) { place.queue.remove(id, ec); }) == errc::no_such_task);
  CHECK(code_of([&](auto& ec) { place.queue.retry(id, ec); }) == errc::no_such_task);
  CHECK(place.queue.history().size() == 2);
}

TEST_CASE("lists come by number, a page at a time, all or those of a state") {
  queue_place place;
  for (int i = 0; i < 25; ++i) place.submit(std::to_string(i));
  std::vector<taken_task> held;
  for (int i = 0; i < 5; ++i) held.push_back(std::move(*place.queue.try_take()));
  std::vector<std::uint64_t> seen;
  for (task_filter page{.limit = 10};; page.after = seen.back()) {
    const auto found = place.queue.list(page);
    for (const auto& each : found) seen.push_back(each.id);
    if (found.size() < 10) break;
  }
  CHECK(seen.size() == 25);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(place.queue.list({.state = task_state::taken}).size() == 5);
  CHECK(place.queue.list({.state = task_state::ready, .after = seen[9], .limit = 3})[0].id == seen[10]);
  const auto history = place.queue.history(0, 2);
  REQUIRE(history.size() == 2);
  CHECK(place.queue.history(history[1].id).size() == 3);
}
