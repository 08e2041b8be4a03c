/// The files of a store: deleted, replaced, linked to, on the wrong filesystem; and clocks that are not ours.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <future>

#include <lockkit/claim_store.hpp>
#include <lockkit/file_mutex.hpp>

#include "claims/claims_support.hpp"
#include "claims/schema.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::add_gpus;
using testing::ask_sqlite;
using testing::await_waiters;

TEST_CASE("two stores in one process exclude each other, and each sees the other alive") {
  testing::scratch_directory place;
  claim_store a(place / "claims.db");
  claim_store b(place / "claims.db");
  add_gpus(a, 1);
  auto held = a.try_claim({.pool = "gpu"});
  CHECK_FALSE(b.try_claim({.pool = "gpu"}));
  CHECK(b.bury_dead() == 0);
  auto waiting = std::async(std::launch::async, [&] { return b.claim_for({.pool = "gpu"}, 30s).has_value(); });
  await_waiters(place / "claims.db", 1);
  held->release();
  CHECK(waiting.get());
}

TEST_CASE("a database has one gate and one file of life marks, however it is spelt") {
  testing::scratch_directory place;
  fs::create_directory(place / "real");
  fs::create_directory_symlink("real", place / "link");
  claim_store store(place / "real" / "claims.db");
  add_gpus(store, 1);
  fs::create_symlink("real/claims.db", place / "other.db");
  auto held = store.try_claim({.pool = "gpu"});
  for (const char* spelling : {"link/claims.db", "other.db", "real/../real/claims.db"}) {
    claim_store other(place / spelling);
    CHECK_FALSE(other.try_claim({.pool = "gpu"}));
    CHECK(other.path() == store.path());
  }
  CHECK(place.names() == std::set<std::string>{"real", "link", "other.db"});
}

TEST_CASE("a waiter notices that the database was replaced") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  std::error_code ec;
  auto waiting = std::async(std::launch::async,
                            [&] { return store.claim_until({.pool = "gpu"}, deadline::never(), {}, ec).has_value(); });
  await_waiters(place / "claims.db", 1);
  {
    claim_store fresh(place / "new.db");
  }
  fs::rename(place / "new.db", place / "claims.db");
  CHECK_FALSE(waiting.get());
  CHECK(ec == errc::database_replaced);
  held->release(ec);
  CHECK(ec == errc::database_replaced);
}

TEST_CASE("the life marks' file deleted during a claim: nobody is granted what is held, and everybody is told") {
  testing::scratch_directory place;
  claim_store idle(place / "claims.db");
  testing::signal_pipe ready;
  testing::signal_pipe go;
  testing::signal_pipe told;
  testing::child_process holder([&] {
    claim_store theirs(place / "claims.db");
    add_gpus(theirs, 1);
    auto held = theirs.try_claim({.pool = "gpu"});
    ready.send();
    go.receive();
    std::error_code ec;
    held->release(ec);
    told.send(ec == errc::database_replaced ? 'r' : 'x');
    ::pause();
    return 0;
  });
  ready.receive();
  fs::remove(place / "claims.db-live");
  std::error_code ec;
  for (int i = 0; i < 2; ++i) {  // the first opening makes the file anew; that must not satisfy the second
    claim_store late(place / "claims.db", {}, ec);
    CHECK(ec == errc::database_replaced);
  }
  CHECK_FALSE(idle.try_claim({.pool = "gpu"}, ec));
  CHECK(ec == errc::database_replaced);
  go.send();
  CHECK(told.receive() == 'r');
  holder.kill();
  claim_store after(place / "claims.db");
  CHECK(after.try_claim({.pool = "gpu"}));
}

TEST_CASE("the life marks' file deleted while a job has a claim: nobody is granted it before the job has ended") {
  testing::scratch_directory place;
  testing::signal_pipe go;
  testing::child_process claimer([&] {
    claim_store theirs(place / "claims.db");
    add_gpus(theirs, 1);
    auto held = theirs.try_claim({.pool = "gpu", .life = claim_life::job});
    const int inherited = ::fcntl(held->life_descriptor(), F_DUPFD, 100);
    if (::fork() == 0) {  // the job has this copy alone
      ::close_range(3, static_cast<unsigned>(go.read_end()) - 1, 0);
      ::close_range(static_cast<unsigned>(go.read_end()) + 1, static_cast<unsigned>(inherited) - 1, 0);
      char byte = 0;
      (void)!::read(go.read_end(), &byte, 1);
      ::_exit(0);
    }
    held->detach();
    return 0;
  });
  CHECK(claimer.wait() == 0);
  fs::remove(place / "claims.db-live");
  std::error_code ec;
  {
    claim_store late(place / "claims.db", {}, ec);
    CHECK(ec == errc::database_replaced);
  }
  go.send();
  do {  // until the job has ended; the test's own time limit ends it otherwise
    claim_store after(place / "claims.db", {}, ec);
    if (!ec) CHECK(after.try_claim({.pool = "gpu"}));
  } while (ec == errc::database_replaced);
  CHECK_FALSE(ec);
}

TEST_CASE("a link to a database that is still to be made has the gate and the marks of that database") {
  testing::scratch_directory place;
  fs::create_directory(place / "real");
  fs::create_symlink("second.db", place / "first.db");
  fs::create_symlink("real/claims.db", place / "second.db");
  claim_store a(place / "first.db");
  add_gpus(a, 1);
  const auto held = a.try_claim({.pool = "gpu"});
  claim_store b(place / "second.db");
  CHECK(a.path() == b.path());
  CHECK_FALSE(b.try_claim({.pool = "gpu"}));
}

TEST_CASE("a database with a second name is refused: SQLite would keep two logs, and we two gates") {
  testing::scratch_directory place;
  {
    claim_store made(place / "claims.db");
  }
  fs::create_hard_link(place / "claims.db", place / "other.db");
  for (const char* name : {"claims.db", "other.db"}) {
    std::error_code ec;
    claim_store store(place / name, {}, ec);
    CHECK(ec == errc::invalid_name);
  }
  CHECK_FALSE(fs::exists(place / "other.db-live"));
  fs::remove(place / "other.db");
  claim_store store(place / "claims.db");
}

TEST_CASE("a claim of a database that was moved away stands no more than it could be given back") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  {
    claim_store fresh(place / "new.db");
  }
  fs::rename(place / "new.db", place / "claims.db");
  std::error_code ec;
  CHECK_FALSE(held->verify(ec));
  CHECK(ec == errc::database_replaced);
}

TEST_CASE("the gate deleted: everybody goes on, one after the other") {
  testing::scratch_directory place;
  claim_store a(place / "claims.db");
  add_gpus(a, 1);
  auto held = a.try_claim({.pool = "gpu"});
  fs::remove(place / "claims.db-gate");
  claim_store b(place / "claims.db");
  CHECK_FALSE(b.try_claim({.pool = "gpu"}));
  held->release();
  CHECK(b.try_claim({.pool = "gpu"}));
  file_mutex gate(place / "claims.db-gate");
  CHECK(gate.try_lock());
  CHECK_FALSE(a.claim_for({.pool = "gpu"}, 50ms));  // the gate that it waits for is the new one
}

TEST_CASE("a copy of a database is a database of its own") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  ask_sqlite(place / "claims.db", "VACUUM INTO '" + (place / "copy.db").string() + "'");
  claim_store copy(place / "copy.db");
  const auto theirs = copy.try_claim({.pool = "gpu"});
  REQUIRE(theirs);
  CHECK(theirs->items()[0].token.value > held->items()[0].token.value + (std::uint64_t{1} << 39U));
  CHECK(held->verify());
}

TEST_CASE("a filesystem that is not known to be local is refused") {
  testing::scratch_directory place;
  fs::create_directory(place / "huge");
  if (testing::run_program({"mount", "-t", "hugetlbfs", "none", (place / "huge").string()}) != 0) {
    WARN("skipped: mounting hugetlbfs is not permitted here");
    return;
  }
  std::error_code ec;
  {
    claim_store store(place / "huge" / "claims.db", {}, ec);
  }
  CHECK(ec == errc::unsupported_filesystem);
  CHECK(fs::is_empty(place / "huge"));
  testing::run_program({"umount", (place / "huge").string()});
}

TEST_CASE("nothing is left beside another program's database, and an old SQLite is named") {
  testing::scratch_directory place;
  ask_sqlite(place / "other.db", "CREATE TABLE t(x)");
  std::error_code ec;
  {
    claim_store store(place / "other.db", {}, ec);
  }
  CHECK(place.names() == std::set<std::string>{"other.db"});
  CHECK_NOTHROW(lockkit::detail::require_version(3'037'000));
  try {
    lockkit::detail::require_version(3'034'001);
    FAIL("an old SQLite was taken");
  } catch (const lockkit::detail::sqlite_failure& failure) {
    CHECK(failure.message == "SQLite 3.34 is too old, 3.37 is needed");
  }
  try {
    ask_sqlite(place / "other.db", "PRAGMA application_id = 7");
    claim_store store(place / "other.db");
    FAIL("another program's database was taken");
  } catch (const error& failure) {
    CHECK(std::string(failure.what()).find("another program's database") != std::string::npos);
  }
}

TEST_CASE("a setting that does not take is an error that names it") {
  lockkit::detail::connection in_memory(":memory:");
  try {
    lockkit::detail::configure(in_memory);
    FAIL("a database in memory has no write-ahead log");
  } catch (const lockkit::detail::sqlite_failure& failure) {
    CHECK(failure.message == "after 'PRAGMA journal_mode = WAL' it is 'memory'");
  }
}

TEST_CASE("a clock that was set back measures no leases, and does not end any") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  const claim_request lease = {.pool = "gpu", .life = claim_life::lease, .lease = 60s};
  auto held = store.try_claim(lease);
  ask_sqlite(place / "claims.db", "UPDATE meta SET value = value + 1000000 WHERE name = 'clock_ms'");
  std::error_code ec;
  CHECK_FALSE(store.try_claim(lease, ec));
  CHECK(ec == errc::foreign_clock);
  CHECK_FALSE(held->renew(ec));
  CHECK(ec == errc::foreign_clock);
  ask_sqlite(place / "claims.db", "UPDATE claim SET until_ms = 1");
  CHECK_FALSE(store.try_claim({.pool = "gpu", .count = 2}, ec));
  CHECK(ec == errc::foreign_clock);
  CHECK(store.claims().size() == 1);
  CHECK(store.try_claim({.pool = "gpu"}));  // what is free needs no clock
}

TEST_CASE("a process of another time namespace is refused while anybody of the first lives") {
  testing::scratch_directory place;
  auto store = std::make_unique<claim_store>(place / "claims.db");
  add_gpus(*store, 1);
  auto held = store->try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 3600s});
  const auto open_elsewhere = [&] {
    testing::child_process parent([&] {
      if (::unshare(CLONE_NEWTIME) != 0) return 77;
      testing::child_process child([&] {  // the first that is inside
        std::error_code ec;
        claim_store theirs(place / "claims.db", {}, ec);
        if (ec == errc::foreign_clock) return 1;
        return !ec && theirs.try_claim({.pool = "gpu"}) ? 0 : 2;
      });
      return child.wait();
    });
    return parent.wait();
  };
  const int refused = open_elsewhere();
  if (refused == 77) {
    WARN("skipped: no time namespaces here");
    return;
  }
  CHECK(refused == 1);
  held->detach();
  held.reset();
  store.reset();
  CHECK(open_elsewhere() == 0);  // nobody can measure that lease any more: it is over, as after a boot
}
