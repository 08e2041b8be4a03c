/// What ends a claim that nobody releases.
#include <signal.h>
#include <unistd.h>

#include <lockkit/claim_store.hpp>

#include "claims/claim_time.hpp"
#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::add_gpus;
using testing::ask_sqlite;
using testing::await_waiters;

namespace {

std::vector<std::string> kinds(const claim_store& store) {
  std::vector<std::string> result;
  for (const auto& event : store.events()) result.push_back(event.kind);
  return result;
}

/// A program that inherits the descriptor, with a child of its own; returns its process group once both run.
int start_job(int life_descriptor) {
  testing::signal_pipe started;
  const int pid = ::fork();
  if (pid != 0) {
    started.receive();
    return pid;
  }
  ::setpgid(0, 0);
  ::dup2(started.write_end(), 1);
  ::dup2(life_descriptor, 3);  // the copies are not close-on-exec
  ::execlp("sh", "sh", "-c", "sleep 1000 & echo; exec sleep 1000", nullptr);
  ::_exit(127);
}

/// A process that starts a job under a claim of its own and then waits to be killed.
class job_starter {
 public:
  explicit job_starter(const fs::path& database, bool detaches = false)
      : child_([this, database, detaches] {
          claim_store store(database);
          auto held = store.try_claim({.pool = "gpu", .life = claim_life::job});
          if (!held || held->life_descriptor() < 0) return 1;
          const int job = start_job(held->life_descriptor());
          if (detaches) held->detach();
          if (::write(pid_.write_end(), &job, sizeof job) != sizeof job) return 2;
          ::pause();
          return 0;
        }) {
    if (::read(pid_.read_end(), &job_, sizeof job_) != sizeof job_) throw std::runtime_error("no job was started");
  }
  ~job_starter() { end_job(); }
  testing::child_process& process() { return child_; }
  void end_job() {
    if (job_ > 0) ::kill(-job_, SIGKILL);
    job_ = 0;
  }
  int job() const { return job_; }

 private:
  testing::signal_pipe pid_;
  testing::child_process child_;
  int job_ = 0;
};

}  // namespace

TEST_CASE("a job's claim outlives who started it, and ends with the job's last process") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  job_starter starter(place / "claims.db");
  starter.process().kill();
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  ::kill(starter.job(), SIGKILL);  // one of two
  CHECK_FALSE(store.claim_for({.pool = "gpu"}, 60ms));
  REQUIRE(store.claims().size() == 1);
  CHECK(store.claims().front().alive);
  testing::child_process waiter([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu"}, 30s) ? 0 : 1;
  });
  await_waiters(place / "claims.db", 1);
  starter.end_job();
  CHECK(waiter.wait() == 0);
  CHECK(kinds(store) == std::vector<std::string>{"added", "claimed", "died", "claimed", "released"});
}

TEST_CASE("a detached job's claim is the job's alone") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  job_starter starter(place / "claims.db", true);
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  starter.end_job();
  CHECK(store.claim_for({.pool = "gpu"}, 30s));
  starter.process().kill();
}

TEST_CASE("a job's claim without a job ends with its object, its release or its process") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::job});
  REQUIRE(held);
  CHECK_FALSE(claim_store(place / "claims.db").try_claim({.pool = "gpu"}));
  held.reset();
  held = store.try_claim({.pool = "gpu", .life = claim_life::job});
  REQUIRE(held);
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  held->release();
  testing::child_process dead([&] {
    claim_store theirs(place / "claims.db");
    const auto kept = theirs.try_claim({.pool = "gpu", .life = claim_life::job});
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(dead.wait() == 128 + SIGKILL);
  CHECK(store.try_claim({.pool = "gpu"}));
  CHECK(store.try_claim({.pool = "gpu"})->life_descriptor() == -1);
}

TEST_CASE("a lease ends when its time has run out, and its late holder is told") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto late = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 100ms});
  REQUIRE(late);
  CHECK(late->verify());
  const auto next = store.claim_for({.pool = "gpu"}, 30s);  // nobody says a word: the waiter knows when to look
  REQUIRE(next);
  CHECK(next->items()[0].token > late->items()[0].token);
  CHECK_FALSE(late->verify());
  CHECK_FALSE(late->renew());
  std::error_code ec;
  late->release(ec);
  CHECK(ec == errc::claim_lost);
  CHECK(next->items()[0].token == store.list()[0].token);
  CHECK(kinds(store) == std::vector<std::string>{"added", "claimed", "expired", "claimed"});
}

TEST_CASE("a lease that has run out and that nobody wanted is over for its holder, too") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto late = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 1ms});
  while (late->verify()) {
  }
  CHECK_FALSE(late->renew());
  CHECK_FALSE(store.claims().front().alive);
  std::error_code ec;
  late->release(ec);
  CHECK(ec == errc::claim_lost);
  CHECK(kinds(store).back() == "expired");
  CHECK(store.try_claim({.pool = "gpu"}));
}

TEST_CASE("renewing prolongs a lease and never shortens it") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 60s});
  const auto until = [&] { return std::stoll(ask_sqlite(place / "claims.db", "SELECT until_ms FROM claim")); };
  const auto before = until();
  while (until() == before) CHECK(held->renew());
  CHECK(until() > before);
  ask_sqlite(place / "claims.db", "UPDATE claim SET until_ms = until_ms + 1000000");
  const auto longer = until();
  CHECK(held->renew());
  CHECK(until() == longer);
  auto other = store.try_claim({.pool = "gpu"});
  CHECK_FALSE(other);
  held->release();
  CHECK_FALSE(held->renew());
  auto mine = store.try_claim({.pool = "gpu"});
  CHECK(mine->renew());
}

TEST_CASE("a lease goes on after the death of its process, for as long as it was granted") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  testing::child_process dead([&] {
    claim_store theirs(place / "claims.db");
    auto held = theirs.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 3600s});
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(dead.wait() == 128 + SIGKILL);
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  CHECK(store.bury_dead() == 0);
  CHECK(store.claims().front().alive);
  ask_sqlite(place / "claims.db", "UPDATE claim SET until_ms = 1");
  CHECK(store.try_claim({.pool = "gpu"}));
}

TEST_CASE("a claim that only a release ends stays over its process's death and a reboot") {
  testing::scratch_directory place;
  std::string key;
  {
    claim_store store(place / "claims.db");
    add_gpus(store, 1);
    testing::child_process dead([&] {
      claim_store theirs(place / "claims.db", {.label = "far away"});
      auto held = theirs.try_claim({.pool = "gpu", .life = claim_life::released});
      ::raise(SIGKILL);
      return 0;
    });
    CHECK(dead.wait() == 128 + SIGKILL);
    CHECK(store.bury_dead() == 0);
    CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  }
  ask_sqlite(place / "claims.db", "UPDATE meta SET value = 'an earlier one' WHERE name = 'boot_id'");
  claim_store store(place / "claims.db");
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  REQUIRE(store.claims().size() == 1);
  const claim_status found = store.claims()[0];
  CHECK(found.alive);
  CHECK(found.label == "far away");
  CHECK(found.pool == "gpu");
  CHECK(found.items[0].name == "g0");
  CHECK(store.end_claim(found.key));
  CHECK_FALSE(store.end_claim(found.key));
  CHECK(kinds(store).back() == "ended");
  CHECK(store.try_claim({.pool = "gpu"})->items()[0].token > found.items[0].token);
}

TEST_CASE("an operator ends anybody's claim, and its holder is told") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  CHECK(claim_store(place / "claims.db").end_claim(held->key()));
  CHECK_FALSE(held->verify());
  CHECK_FALSE(held->renew());
  std::error_code ec;
  held->release(ec);
  CHECK(ec == errc::claim_lost);
  CHECK(store.list()[0].used == 0);
}

TEST_CASE("a detached claim of a process stays until the process ends, also when its store is closed") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  testing::signal_pipe detached;
  testing::signal_pipe end;
  testing::child_process holder([&] {
    {
      claim_store theirs(place / "claims.db");
      theirs.try_claim({.pool = "gpu"})->detach();
    }
    detached.send();
    end.receive();
    return 0;
  });
  detached.receive();
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  end.send();
  CHECK(holder.wait() == 0);
  CHECK(store.try_claim({.pool = "gpu"}));
}

TEST_CASE("the dead are buried by request: their claims, their places in the queue and leases that have run out") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 4);
  testing::signal_pipe ready;
  testing::child_process dead([&] {
    claim_store theirs(place / "claims.db");
    const auto runs_on = theirs.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 3600s});
    const auto a = theirs.try_claim({.pool = "gpu"});
    const auto b = theirs.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 1ms});
    const auto c = theirs.try_claim({.pool = "gpu", .life = claim_life::job});
    ready.send();
    return theirs.claim_for({.pool = "gpu", .count = 3}, 60s) ? 0 : 1;
  });
  ready.receive();
  await_waiters(place / "claims.db", 1);
  dead.kill();
  while (store.bury_dead() == 0) {
  }
  store.bury_dead();
  CHECK(store.claims().size() == 1);
  CHECK(store.claims().front().life == claim_life::lease);
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "0\n");
  CHECK(store.bury_dead() == 0);
  CHECK(store.try_claim({.pool = "gpu", .count = 3}));
}

TEST_CASE("a killed waiter does not keep those behind it waiting") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  auto held = store.try_claim({.pool = "gpu"});
  testing::child_process first([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu", .count = 2}, 600s) ? 0 : 1;
  });
  await_waiters(place / "claims.db", 1);
  ask_sqlite(place / "claims.db", "UPDATE waiter SET since_ms = 1");  // long enough for its part to be set aside
  testing::child_process second([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu"}, 30s) ? 0 : 1;
  });
  await_waiters(place / "claims.db", 2);
  first.kill();
  CHECK(second.wait() == 0);
}

TEST_CASE("a waiter whose deadline has passed holds nobody up, even if it could not leave the queue") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  testing::child_process stopped([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu"}, 300ms) ? 0 : 1;
  });
  await_waiters(place / "claims.db", 1);
  stopped.signal(SIGSTOP);
  held->release();
  CHECK(store.claim_for({.pool = "gpu"}, 30s));
  stopped.signal(SIGCONT);
}

TEST_CASE("a claim's guard keeps the work of one who has lost it out of the caller's own tables") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  ask_sqlite(place / "claims.db",
             "CREATE TABLE mine(id INTEGER PRIMARY KEY, done INTEGER); INSERT INTO mine VALUES(7, 0)");
  auto held = store.try_claim({.pool = "gpu", .count = 2});
  const std::string guard = held->guard();
  const auto work = [&] {
    return ask_sqlite(place / "claims.db", "BEGIN IMMEDIATE; UPDATE mine SET done = done + 1 WHERE id = 7 AND " +
                                               guard + "; COMMIT; SELECT done FROM mine");
  };
  CHECK(work() == "1\n");
  ask_sqlite(place / "claims.db", "UPDATE claim_item SET token = token + 1 WHERE resource_id = 1");
  CHECK(work() == "1\n");
  ask_sqlite(place / "claims.db", "UPDATE claim_item SET token = token - 1 WHERE resource_id = 1");
  CHECK(work() == "2\n");
  store.end_claim(held->key());
  CHECK(work() == "2\n");
  const auto next = store.try_claim({.pool = "gpu", .count = 2});
  CHECK(work() == "2\n");
}

TEST_CASE("a request for a job that is refused costs nobody else an error") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  testing::signal_pipe go;
  testing::child_process refused([&] {  // each makes an owner that is rolled back, and whose number the next one has
    claim_store theirs(place / "claims.db");
    std::error_code ec;
    while (!go.ready(0)) (void)theirs.try_claim({.pool = "gpu", .match = "no JSON", .life = claim_life::job}, ec);
    return ec == std::errc::invalid_argument ? 0 : 1;
  });
  for (int i = 0; i < 300; ++i) {
    std::error_code ec;
    CHECK(store.try_claim({.pool = "gpu", .life = claim_life::job}, ec));
    CHECK_FALSE(ec);
  }
  go.send();
  CHECK(refused.wait() == 0);
}

TEST_CASE("a lease may be as long as anybody can say") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = std::chrono::milliseconds::max()});
  CHECK(held->verify());
  CHECK(held->renew());
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  // Beyond a deadline's reach: a sleep until then must not end at once, again and again.
  CHECK(detail::deadline_at(std::numeric_limits<std::int64_t>::max()).is_never());
  CHECK(detail::deadline_at(detail::monotonic_ms(deadline::never())).is_never());
  CHECK_FALSE(detail::deadline_at(detail::monotonic_ms() + 60'000).is_never());
}

TEST_CASE("what makes no sense about a claim's life is refused") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  std::error_code ec;
  for (const claim_request& wrong :
       {claim_request{.pool = "gpu", .life = claim_life::lease},
        claim_request{.pool = "gpu", .life = claim_life::lease, .lease = -1s},
        claim_request{.pool = "gpu", .lease = 1s}, claim_request{.pool = "gpu", .count = 0}}) {
    CHECK_FALSE(store.try_claim(wrong, ec));
    CHECK(ec == std::errc::invalid_argument);
  }
}
