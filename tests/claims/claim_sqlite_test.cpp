/// What SQLite is trusted with, seen from outside: its locks, its log, its checkpoints.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "claims/claims_support.hpp"
#include "claims/faulty_vfs.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::add_gpus;
using testing::ask_sqlite;

namespace {

/// Whether this process has locked that byte, as another one sees it.
bool has_locked(const fs::path& file, off_t byte) {
  testing::child_process probe([&, holder = ::getpid()] {
    const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_start = byte;
    lock.l_len = 1;
    return ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid == holder ? 0 : 1;
  });
  return probe.wait() == 0;
}

/// SQLite holds these from the first use of a connection to its end: the shared lock on the database's file, and the
/// mark that the index of the log is in use.
bool has_sqlites_locks(const fs::path& database) {
  return has_locked(database, 0x40000002) && has_locked(database.string() + "-shm", 128);
}

/// A connection that knows nothing of lockkit.
class foreign_connection {
 public:
  explicit foreign_connection(const fs::path& database) {
    sqlite3_open_v2(database.c_str(), &db_, SQLITE_OPEN_READWRITE, nullptr);
    sqlite3_busy_timeout(db_, 60'000);
  }
  ~foreign_connection() { sqlite3_close(db_); }
  foreign_connection(const foreign_connection&) = delete;
  foreign_connection& operator=(const foreign_connection&) = delete;
  bool run(const char* sql) { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK; }

 private:
  sqlite3* db_ = nullptr;
};

std::uintmax_t log_size(const fs::path& database) {
  return fs::file_size(database.string() + "-wal");
}

void claim_often(claim_store& store, int times) {
  for (int i = 0; i < times; ++i) store.try_claim({.pool = "gpu"})->release();
}

}  // namespace

TEST_CASE("no call of the store costs SQLite its locks") {
  testing::scratch_directory place;
  const fs::path database = place / "claims.db";
  claim_store store(database);
  const auto check_after = [&](const char* what) {
    INFO("after " << what);
    CHECK(has_sqlites_locks(database));
  };
  add_gpus(store, 2);
  check_after("add");
  auto held = store.try_claim({.pool = "gpu"});
  check_after("try_claim");
  auto job = store.try_claim({.pool = "gpu", .life = claim_life::job});
  check_after("try_claim of a job");
  (void)store.claim_for({.pool = "gpu"}, 1ms);
  check_after("claim_for");
  (void)held->verify();
  job->release();
  check_after("release");
  {
    claim_store second(database);
  }
  check_after("a second store, opened and closed");
  testing::child_process child([&] { return store.path().empty() ? 1 : 0; });
  CHECK(child.wait() == 0);
  check_after("a forked child's end");
  (void)store.list();
  (void)store.events();
  (void)store.claims();
  store.bury_dead();
  store.set_state("gpu", "g0", resource_state::drained);
  check_after("the rest");
}

TEST_CASE("an idle reader does not let the log grow without bound, and it is short again once it has gone") {
  testing::scratch_directory place(testing::memory_directory());
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  foreign_connection idle(place / "claims.db");
  REQUIRE(idle.run("SELECT count(*) FROM resource"));  // connected, between two transactions
  constexpr std::uintmax_t bound = 6U << 20U;
  for (int i = 0; i < 20; ++i) {
    claim_often(store, 100);
    CHECK(log_size(place / "claims.db") < bound);
  }
  REQUIRE(idle.run("BEGIN; SELECT count(*) FROM resource"));  // now it keeps the log from being used again
  claim_often(store, 1500);
  CHECK(log_size(place / "claims.db") > bound);
  REQUIRE(idle.run("COMMIT"));
  claim_often(store, 500);
  CHECK(log_size(place / "claims.db") < bound);
}

TEST_CASE("a checkpoint is made behind the gate alone, and holds SQLite's writer lock") {
  testing::scratch_directory place(testing::memory_directory());
  testing::faulty_vfs files;
  int writes = 0;
  int outside = 0;
  int unlocked = 0;
  {
    claim_store store(place / "claims.db");
    add_gpus(store, 1);
    const int gate = ::open((place / "claims.db-gate").c_str(), O_RDWR | O_CLOEXEC);
    files.on_database_write([&] {
      ++writes;
      if (::flock(gate, LOCK_EX | LOCK_NB) == 0) {
        ++outside;
        ::flock(gate, LOCK_UN);
      }
      if (writes < 5 && !has_locked((place / "claims.db-shm"), 120)) ++unlocked;
    });
    claim_often(store, 300);
    ::close(gate);
    CHECK(writes > 5);
    writes = 0;
  }
  CHECK(writes == 0);  // at closing none
  CHECK(outside == 0);
  CHECK(unlocked == 0);
  CHECK(log_size(place / "claims.db") > 0);
  CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
}

TEST_CASE("a foreign writer that never stops costs no request an error") {
  testing::scratch_directory place(testing::memory_directory());
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  testing::signal_pipe end;
  testing::child_process writer([&] {
    foreign_connection db(place / "claims.db");
    if (!db.run("CREATE TABLE mine(x)")) return 1;
    while (!end.ready(0)) {
      if (!db.run("BEGIN IMMEDIATE; INSERT INTO mine SELECT count(*) FROM mine; COMMIT")) return 2;
    }
    return 0;
  });
  for (int i = 0; i < 200; ++i) {
    std::error_code ec;
    auto held = store.claim_until({.pool = "gpu"}, deadline::after(60s), {}, ec);
    REQUIRE_FALSE(ec);
    REQUIRE(held);
    CHECK(held->verify());
    held->release();
  }
  end.send();
  CHECK(writer.wait() == 0);
}

TEST_CASE("while another program holds the write lock, holders stay, reads answer and deadlines are kept") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  auto held = store.try_claim({.pool = "gpu"});
  auto lease = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 60s});
  testing::signal_pipe locked;
  testing::signal_pipe end;
  testing::child_process shell([&] {
    foreign_connection db(place / "claims.db");
    if (!db.run("BEGIN IMMEDIATE")) return 1;
    locked.send();
    end.receive();
    return db.run("COMMIT") ? 0 : 2;
  });
  locked.receive();
  CHECK(held->verify());
  CHECK(lease->verify());
  CHECK_FALSE(store.claim_for({.pool = "gpu"}, 30ms));
  CHECK(store.list().size() == 2);
  testing::child_process other([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claims().size() == 2 && !theirs.claim_for({.pool = "gpu"}, 30ms) ? 0 : 1;
  });
  CHECK(other.wait() == 0);
  // A thread that waits for the writer does not keep the others from the connection.
  auto patient = std::async(std::launch::async, [&] { return store.set_state("gpu", "g0", resource_state::drained); });
  for (int i = 0; i < 50; ++i) {
    CHECK(held->verify());
    std::this_thread::sleep_for(1ms);
  }
  CHECK(patient.wait_for(0s) == std::future_status::timeout);
  end.send();
  CHECK(patient.get());
  CHECK(shell.wait() == 0);
  CHECK(lease->renew());
  held->release();
  CHECK(store.set_state("gpu", "g0", resource_state::up));
  CHECK(store.try_claim({.pool = "gpu"}));
}

TEST_CASE("who is told to stop while another program holds the write lock does not stay in the queue") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  testing::signal_pipe begin;
  testing::signal_pipe locked;
  testing::signal_pipe end;
  testing::child_process shell([&] {
    foreign_connection db(place / "claims.db");
    begin.receive();
    if (!db.run("BEGIN IMMEDIATE")) return 1;
    locked.send();
    end.receive();
    return db.run("COMMIT") ? 0 : 2;
  });
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return store.claim_until({.pool = "gpu"}, deadline::never(), stop.get_token()).has_value();
  });
  testing::await_waiters(place / "claims.db", 1);
  begin.send();
  locked.receive();
  stop.request_stop();
  (void)waiting.wait_for(300ms);  // long enough to give up in vain
  end.send();
  CHECK_FALSE(waiting.get());
  CHECK(shell.wait() == 0);
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "0\n");
}

namespace {

std::atomic<int> most_steps{0};

int note_steps(unsigned, void*, void* prepared, void*) {
  const int steps = sqlite3_stmt_status(static_cast<sqlite3_stmt*>(prepared), SQLITE_STMTSTATUS_VM_STEP, 1);
  most_steps = std::max(most_steps.load(), steps);
  return 0;
}

int count_steps(sqlite3* db, const char**, const sqlite3_api_routines*) {
  return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, &note_steps, nullptr);
}

}  // namespace

TEST_CASE("what a take and a page cost does not grow with the queue") {
  testing::scratch_directory place;
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&count_steps));
  claim_store store(place / "claims.db");
  sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&count_steps));
  task_queue queue(store, "q");
  queue.submit({.key = "first"});
  ask_sqlite(place / "claims.db", R"sql(
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO task(queue, key, payload, priority, due_ms, due_wall_ms, ready_ms, max_attempts, submitted_ms, pool, count,
  memory, grp, one_group, attributes, life, lease_ms)
SELECT queue, i, payload, priority, due_ms, due_wall_ms, ready_ms, max_attempts, submitted_ms, pool, count, memory, grp,
  one_group, attributes, life, lease_ms FROM task, n)sql");
  most_steps = 0;
  const auto taken = queue.try_take();
  REQUIRE(taken);
  CHECK(most_steps > 0);
  CHECK(queue.list({.after = 10000, .limit = 10}).size() == 10);
  CHECK(queue.list({.state = task_state::ready, .after = 10000, .limit = 10}).size() == 10);
  CHECK(queue.why(2).empty());
  queue.finish(taken->ref);
  CHECK(most_steps < 5000);
}

TEST_CASE("a forked child makes no SQLite call for its parent's store, not even to close it") {
  testing::scratch_directory place;
  testing::faulty_vfs files;
  auto store = std::make_unique<claim_store>(place / "claims.db");
  add_gpus(*store, 1);
  auto held = store->try_claim({.pool = "gpu"});
  testing::child_process child([&] {
    const auto before = files.operations();
    std::error_code ec;
    (void)store->try_claim({.pool = "gpu"}, ec);
    (void)held->verify(ec);
    held.reset();
    store.reset();
    return files.operations() == before ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(held->verify());
}
