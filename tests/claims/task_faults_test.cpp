/// What fails once, everywhere; what reaches the disk.
#include <sqlite3.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "claims/faulty_vfs.hpp"
#include "claims/task_testing.hpp"
#include "platform/fault.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

/// Takes and finishes; the codes of both.
struct outcome {
  bool taken = false;
  std::error_code take_error;
  std::error_code finish_error;
};

outcome take_and_finish(task_queue& queue) {
  outcome seen;
  const auto taken = queue.take_until({}, deadline::after(30s), {}, seen.take_error);
  seen.taken = taken.has_value();
  if (taken) queue.finish(taken->ref, "r", seen.finish_error);
  return seen;  // what could not be finished is given back with the object
}

/// Whatever happened: the task is done once, or can be taken, and nothing is held.
void check_whole(queue_place& place, task_queue& queue, const std::string& key, const outcome& seen) {
  CHECK(seen.taken != static_cast<bool>(seen.take_error));
  queue.submit({.key = key + " was tried"});  // a next change of the store that failed
  auto next = place.queue.try_take();
  REQUIRE(next);
  if (seen.taken && !seen.finish_error) CHECK(next->key == key + " was tried");
  if (next->key == key) {
    place.queue.finish(next->ref, "r");
    next = place.queue.try_take();
  }
  place.queue.finish(next->ref);
  CHECK(place.state(key) == task_state::done);
  CHECK(place.used() == 0);
  CHECK(place.store.claims().empty());
}

std::size_t syncs_of(const std::function<void()>& prepare, const std::function<void()>& body) {
  const traced_run run = run_traced(prepare, body, 0);
  CHECK(run.status == 0);
  return static_cast<std::size_t>(
      std::ranges::count_if(run.calls, [](long call) { return call == SYS_fsync || call == SYS_fdatasync; }));
}

}  // namespace

TEST_CASE(
    "every change of a task reaches the disk although the store was opened for less, and claims go on as before") {
  queue_place place(2);
  std::optional<claim_store> store;
  std::optional<task_queue> queue;
  std::optional<taken_task> taken;
  std::optional<claim> held;
  const auto open = [&] {
    store.emplace(place.database);
    queue.emplace(*store, "q");
    held = store->try_claim(one_gpu);
  };
  const auto take = [&] {
    open();
    queue->submit({.key = std::to_string(::getpid()), .needs = one_gpu});
    taken = queue->try_take();
    if (!taken) ::abort();
  };
  CHECK(syncs_of(open, [&] { queue->submit({.key = "t"}); }) >= 1);
  place.queue.cancel(1);
  CHECK(syncs_of(
            [&] {
              open();
              queue->submit({.key = "u"});
            },
            [&] { taken = queue->try_take(); }) >= 1);
  place.queue.cancel(2);
  CHECK(syncs_of(take, [&] { queue->submitting(taken->ref, "x"); }) >= 1);
  CHECK(syncs_of(take, [&] { queue->running(taken->ref, "x"); }) >= 1);
  CHECK(syncs_of(take, [&] { queue->finish(taken->ref); }) >= 1);
  CHECK(syncs_of(take, [&] { queue->hand_back(taken->ref); }) >= 1);
  CHECK(syncs_of(take, [&] { held->release(); }) == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace fault = lockkit::platform::fault;

TEST_CASE("any platform call of taking and finishing a task failing gives a clean error or a task, and loses nothing") {
  for (const claim_life life : {claim_life::process, claim_life::job}) {
    for (std::uint64_t nth = 1;; ++nth) {
      queue_place place(1);
      claim_store fresh(place.database);
      task_queue queue(fresh, "q");
      place.queue.submit({.key = "t", .needs = {.pool = "gpu", .life = life}, .max_attempts = 2});
      fault::arm({.what = fault::action::fail, .nth = nth, .error = EIO});
      const outcome seen = take_and_finish(queue);
      const bool fired = fault::fired();
      fault::disarm();
      INFO("call " << nth);
      if (!fired) break;
      check_whole(place, queue, "t", seen);
    }
  }
}

TEST_CASE("a COMMIT whose answer was lost: the task is had once, and a repeated report is no error") {
  for (const claim_life life : {claim_life::process, claim_life::job, claim_life::released}) {
    queue_place place(1);
    claim_store fresh(place.database);  // whose owner is made in the very transaction
    task_queue queue(fresh, "q");
    place.queue.submit({.key = "t", .needs = {.pool = "gpu", .life = life}});
    const auto lose_an_answer = [&] { fault::arm({.what = fault::action::fail, .name = "commit", .error = EIO}); };
    lose_an_answer();
    auto taken = queue.try_take();
    CHECK(fault::fired());
    fault::disarm();
    REQUIRE(taken);
    CHECK(taken->key == "t");
    CHECK(taken->held.items().size() == 1);
    CHECK(taken->held.verify());
    CHECK((taken->held.life_descriptor() >= 0) == (life == claim_life::job));
    CHECK(place.store.bury_dead() == 0);
    lose_an_answer();
    CHECK(code_of([&](auto& ec) { queue.finish(taken->ref, "r", ec); }) == std::errc::io_error);
    fault::disarm();
    queue.finish(taken->ref, "r");
    CHECK(place.state("t") == task_state::done);
    CHECK(outcomes(place.queue) == std::vector<std::string>{"done"});
    lose_an_answer();
    CHECK(code_of([&](auto& ec) { queue.submit({.key = "u"}, ec); }) == std::errc::io_error);
    fault::disarm();
    CHECK_FALSE(queue.submit({.key = "u"}).fresh);
    CHECK(queue.try_take()->key == "u");
  }
}

#endif

TEST_CASE("any operation on SQLite's files failing gives a clean error or a task, and loses nothing") {
  queue_place place(1);
  faulty_vfs files;
  claim_store store(place.database, {.durable = true});
  task_queue queue(store, "q");
  int round = 0;
  for (const int error : {SQLITE_IOERR, SQLITE_FULL}) {
    for (std::uint64_t nth = 1;; ++nth) {
      const std::string key = std::to_string(++round);
      queue.submit({.key = key, .needs = one_gpu, .max_attempts = 2});
      files.fail(nth, error);
      const outcome seen = take_and_finish(queue);
      const bool fired = files.fired();
      files.fail(0, SQLITE_OK);
      INFO(files.what() << " reports " << error);
      if (!fired) break;
      check_whole(place, queue, key, seen);
    }
  }
  CHECK(ask_sqlite(place.database, "PRAGMA integrity_check") == "ok\n");
}
