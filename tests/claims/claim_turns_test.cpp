/// Turns at writing: fairness, stopped holders, forks inside the gate; and wake-ups that must not be lost.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "platform/fault.hpp"
#include "platform/lock.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using testing::add_gpus;
using testing::ask_sqlite;
using testing::await_waiters;

TEST_CASE("16 processes that do nothing but claim and release get their turns in fair shares") {
  constexpr int processes = 16;
  constexpr int share = 300;
  struct shared_counts {
    std::atomic<int> all{0};
    std::array<std::atomic<int>, processes> each{};
  };
  const testing::shared_memory<shared_counts> shared;
  shared_counts& counts = *shared;
  testing::scratch_directory place(testing::memory_directory());
  claim_store store(place / "claims.db");
  add_gpus(store, 2 * processes);
  testing::signal_pipe ready;
  testing::signal_pipe go;
  std::vector<testing::child_process> children;
  for (std::size_t i = 0; i < processes; ++i) {
    children.emplace_back([&, i] {
      claim_store theirs(place / "claims.db");
      ready.send();
      go.receive();
      while (counts.all < processes * share) {
        auto held = theirs.claim_for({.pool = "gpu"}, 60s);
        if (!held) return 1;
        held->release();
        ++counts.all;
        ++counts.each[i];
      }
      return 0;
    });
  }
  for (int i = 0; i < processes; ++i) ready.receive();
  for (int i = 0; i < processes; ++i) go.send();
  for (auto& child : children) CHECK(child.wait() == 0);
  for (const auto& each : counts.each) CHECK(each > share / 4);
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace fault = lockkit::platform::fault;

namespace {

/// A process that will be stopped inside the gate, between its turn and its transaction.
class stopped_writer {
 public:
  explicit stopped_writer(const std::filesystem::path& database)
      : child_([this, database] {
          claim_store store(database);
          go_in_.receive();
          fault::arm({.what = fault::action::stop,
                      .name = "claims.turn",
                      .announce_fd = stopped_.write_end(),
                      .resume_fd = resume_.read_end()});
          return store.set_state("gpu", "g0", resource_state::drained) ? 0 : 1;
        }) {}
  void go_in() {
    go_in_.send();
    stopped_.receive();
  }
  int go_on() {
    resume_.send();
    return child_.wait();
  }

 private:
  testing::signal_pipe go_in_;
  testing::signal_pipe stopped_;
  testing::signal_pipe resume_;
  testing::child_process child_;
};

}  // namespace

TEST_CASE("a holder of the gate that was stopped does not break the deadlines of others") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  auto held = store.try_claim({.pool = "gpu", .count = 2});
  stopped_writer stopped(place / "claims.db");
  auto waiting = std::async(std::launch::async, [&] {
    return store.claim_for({.pool = "gpu"}, 500ms).has_value();  // in the queue before the stop, gives up during it
  });
  await_waiters(place / "claims.db", 1);
  stopped.go_in();
  CHECK_FALSE(store.claim_for({.pool = "gpu"}, 30ms));
  CHECK_FALSE(waiting.get());
  CHECK(held->verify());
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "1\n");  // it could not leave
  CHECK(stopped.go_on() == 0);
  held->release();
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "0\n");
}

TEST_CASE("a claim that could not be given back in time is given back with the next change") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  auto held = store.try_claim({.pool = "gpu"});
  fault::arm({.what = fault::action::fail, .name = "flock", .times = 1000, .error = EIO});
  held.reset();
  fault::disarm();
  CHECK(store.claims().size() == 1);
  CHECK(store.set_state("gpu", "g1", resource_state::drained));
  CHECK(store.claims().empty());
}

TEST_CASE("a child forked inside the gate does not keep it when its parent has left") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  testing::signal_pipe announce;
  testing::signal_pipe resume;
  fault::arm({.what = fault::action::stop,
              .name = "claims.turn",
              .announce_fd = announce.write_end(),
              .resume_fd = resume.read_end()});
  std::thread inside([&] { store.set_state("gpu", "g0", resource_state::drained); });
  announce.receive();
  testing::child_process heir([] {
    ::pause();
    return 0;
  });
  fault::disarm();
  resume.send();
  inside.join();
  testing::child_process third([&] {
    claim_store theirs(place / "claims.db");
    return theirs.set_state("gpu", "g0", resource_state::up) ? 0 : 1;
  });
  CHECK(third.wait() == 0);
  heir.kill();
  CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
}

TEST_CASE("2,000 hand-overs between two processes without a fallback: no wake-up is lost") {
  testing::scratch_directory place(testing::memory_directory());
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  const auto take_turns = [&] {
    claim_store theirs(place / "claims.db");
    fault::arm({.what = fault::action::fail, .name = "slice", .times = 1'000'000'000, .error = EIO});
    for (int i = 0; i < 1000; ++i) {
      auto held = theirs.claim_for({.pool = "gpu"}, 60s);
      if (!held) return 1;
      if (i % 3 == 0) std::this_thread::yield();
      held->release();
    }
    return 0;
  };
  testing::child_process a(take_turns);
  testing::child_process b(take_turns);
  CHECK(a.wait() == 0);
  CHECK(b.wait() == 0);
}

TEST_CASE("who is in a hurry and was stopped holds up nobody for long") {
  testing::scratch_directory place(testing::memory_directory());
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  constexpr std::size_t rounds = 200;
  const auto looks_at_marks = [&] {
    fault::start_recording();
    for (std::size_t i = 0; i < rounds; ++i) store.try_claim({.pool = "gpu"})->release();
    return static_cast<std::size_t>(std::ranges::count(fault::stop_recording(), "fcntl"));
  };
  const std::size_t alone = looks_at_marks();
  const int live = ::open((place / "claims.db-live").c_str(), O_RDWR | O_CLOEXEC);
  std::error_code ec;
  platform::set_presence(live, ec);  // as a process does that waits long, and this one never goes in
  REQUIRE_FALSE(ec);
  const std::size_t beside_it = looks_at_marks();
  ::close(live);
  CHECK(beside_it < alone + rounds);  // it stands still for that one once, not at each turn
}

#endif
