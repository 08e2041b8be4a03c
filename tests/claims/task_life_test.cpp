/// What ends the claim of a task, and what becomes of the task then.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

claim_request living(claim_life life) {
  claim_request needs = one_gpu;
  needs.life = life;
  if (life == claim_life::lease) needs.lease = 1h;
  return needs;
}

/// A process that takes a task, reports what is asked for and is then killed.
task_ref take_and_die(const queue_place& place, task_state reported) {
  child_process victim([&] {
    claim_store store(place.database);
    task_queue queue(store, "q");
    const auto taken = queue.try_take();
    if (reported != task_state::taken) queue.submitting(taken->ref, "job");
    if (reported == task_state::running) queue.running(taken->ref, "job");
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(victim.wait() == 128 + SIGKILL);
  const auto status = place.queue.find("t");
  return {status->id, status->attempt, status->claim_key};
}

/// As if the machine had been started since.
void reboot(const queue_place& place) {
  ask_sqlite(place.database, "UPDATE meta SET value = 'an earlier one' WHERE name = 'boot_id'");
}

}  // namespace

TEST_CASE("the death of a holder: a task that was not begun is ready, one that was handed on is unknown") {
  queue_place place(1);
  const auto reported = GENERATE(task_state::taken, task_state::submitting, task_state::running);
  place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 2});
  take_and_die(place, reported);
  CHECK(place.state("t") == reported);  // nobody has looked yet
  CHECK(place.store.bury_dead() == 1);
  CHECK(place.state("t") == (reported == task_state::taken ? task_state::ready : task_state::unknown));
  CHECK(place.used() == 0);
  CHECK(place.queue.try_take().has_value() == (reported == task_state::taken));
}

TEST_CASE("the end of a claim by somebody else takes the task from its holder") {
  queue_place place(1);
  place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 2});
  const auto taken = place.queue.try_take();
  CHECK(place.store.end_claim(taken->ref.claim_key));
  CHECK(place.state("t") == task_state::ready);
  CHECK(code_of([&](auto& ec) { place.queue.finish(taken->ref, {}, ec); }) == errc::claim_lost);
}

TEST_CASE("who wants a resource frees it from a dead holder's task, and the task is ready again") {
  queue_place place(1);
  place.queue.submit({.key = "t", .needs = one_gpu, .max_attempts = 2});
  take_and_die(place, task_state::taken);
  const auto mine = place.store.try_claim(one_gpu);
  REQUIRE(mine);
  CHECK(place.state("t") == task_state::ready);
}

TEST_CASE("a job that inherited the life descriptor keeps its task although the taker is gone") {
  queue_place place(1);
  place.queue.submit({.key = "t", .needs = living(claim_life::job), .max_attempts = 2});
  signal_pipe job_runs;
  signal_pipe job_ends;
  child_process scheduler([&] {
    claim_store store(place.database);
    task_queue queue(store, "q");
    const auto taken = queue.try_take();
    if (taken->held.life_descriptor() < 0) return 1;
    child_process job([&] {
      const int inherited = ::fcntl(taken->held.life_descriptor(), F_DUPFD, 100);
      job_runs.send(inherited >= 0 ? 'y' : 'n');
      job_ends.receive();
      return 0;
    });
    queue.running(taken->ref, "job");
    job_runs.receive();
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(scheduler.wait() == 128 + SIGKILL);
  CHECK(place.store.bury_dead() == 0);
  CHECK(place.state("t") == task_state::running);
  CHECK(place.used() == 1);
  const auto status = place.queue.find("t");
  SECTION("the job ends without a word") {
    job_ends.send();
    while (place.store.bury_dead() == 0) {
    }
    CHECK(place.state("t") == task_state::unknown);
  }
  SECTION("somebody who knows its end reports it") {
    place.queue.finish({status->id, status->attempt, status->claim_key}, "0");
    CHECK(place.state("t") == task_state::done);
    job_ends.send();
  }
  CHECK(place.used() == 0);
}

TEST_CASE(
    "a claim that only a release ends: stays while its work may go on elsewhere, and ends with a task not begun") {
  queue_place place(1);
  const auto reported = GENERATE(task_state::taken, task_state::submitting, task_state::running);
  const bool how = GENERATE(true, false);  // a death, or a reboot
  place.queue.submit({.key = "t", .needs = living(claim_life::released), .max_attempts = 2});
  const task_ref ref = take_and_die(place, reported);
  if (how) {
    CHECK(place.store.bury_dead() == 1);
  } else {
    reboot(place);
  }
  claim_store store(place.database);
  task_queue queue(store, "q");
  CHECK(store.bury_dead() == 0);
  if (reported == task_state::taken) {
    CHECK(queue.find("t")->state == task_state::ready);
    CHECK(place.used() == 0);
    CHECK(queue.try_take());
    return;
  }
  CHECK(queue.find("t")->state == task_state::unknown);
  CHECK(place.used() == 1);
  CHECK_FALSE(queue.try_take());
  CHECK_FALSE(store.try_claim(one_gpu));
  SECTION("it is done") {
    queue.finish(ref);
    CHECK(place.used() == 0);
  }
  SECTION("it runs: who says so is its holder, and it is unknown again when that one is gone") {
    child_process finder([&] {
      claim_store theirs(place.database);
      task_queue(theirs, "q").running(ref, "job");
      ::raise(SIGKILL);
      return 0;
    });
    CHECK(finder.wait() == 128 + SIGKILL);
    CHECK(queue.find("t")->state == task_state::running);
    CHECK(store.bury_dead() == 1);
    CHECK(queue.find("t")->state == task_state::unknown);
    queue.running(ref, "job");
    CHECK(store.bury_dead() == 0);
    CHECK(queue.find("t")->state == task_state::running);
    CHECK(place.used() == 1);
  }
  SECTION("a person gives it up") {
    CHECK(queue.retry(ref.id));
    CHECK(place.used() == 0);
    CHECK(queue.try_take());
  }
}

TEST_CASE("a scheduler that unwinds frees nothing that work elsewhere may use") {
  queue_place place(1);
  place.queue.submit({.key = "t", .needs = living(claim_life::released), .max_attempts = 2});
  task_ref ref;
  {
    const auto taken = place.queue.try_take({.submitting = true});
    ref = taken->ref;
  }
  CHECK(place.state("t") == task_state::unknown);
  CHECK(place.used() == 1);
  place.queue.running(ref, "job");
  CHECK(place.state("t") == task_state::running);
  place.queue.fail(ref, "no");
  CHECK(place.used() == 0);
  {
    const auto taken = place.queue.try_take();
    CHECK(taken->ref.attempt == 2);
  }
  CHECK(place.state("t") == task_state::failed);
  CHECK(place.used() == 0);
}

TEST_CASE("a reboot ends what processes held, leases too; what they had begun is unknown") {
  queue_place place(3);
  for (const auto life : {claim_life::process, claim_life::lease, claim_life::job}) {
    place.queue.submit({.key = std::to_string(static_cast<int>(life)), .needs = living(life), .max_attempts = 2});
  }
  child_process before([&] {
    claim_store theirs(place.database);
    task_queue queue(theirs, "q");
    const auto a = queue.try_take();
    const auto b = queue.try_take();
    const auto c = queue.try_take();
    queue.running(b->ref, "job");
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(before.wait() == 128 + SIGKILL);
  reboot(place);
  claim_store store(place.database);
  task_queue queue(store, "q");
  CHECK(queue.find(1)->state == task_state::ready);
  CHECK(queue.find(2)->state == task_state::unknown);
  CHECK(queue.find(3)->state == task_state::ready);
  CHECK(store.claims().empty());
  CHECK(outcomes(queue) == strings{"lost", "unknown", "lost"});
}

TEST_CASE("a detached claim keeps its task: a lease runs on, and who has the reference reports") {
  queue_place place(1);
  place.queue.submit({.key = "t", .needs = living(claim_life::lease), .max_attempts = 2});
  task_ref ref;
  {
    auto taken = place.queue.try_take();
    ref = taken->ref;
    taken->held.detach();
  }
  CHECK(place.state("t") == task_state::taken);
  child_process job([&] {
    claim_store theirs(place.database);
    task_queue(theirs, "q").finish(ref, "from another process");
    return 0;
  });
  CHECK(job.wait() == 0);
  CHECK(place.queue.find("t")->result == "from another process");
  CHECK(place.used() == 0);
}
