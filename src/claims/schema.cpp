/// Rules of the schema, each with its reason.
///  1. A unit that is held is a row (claim_item). Counters drift after crashes and double releases; `used` is derived
///     from the rows by triggers and checked.
///  2. A resource is never deleted, so that its token never starts again.
///  3. Tokens begin at epoch << 40, and each boot begins a new epoch with a synced commit. Other commits may be lost by
///     a power cut, with all their holders, but what they gave out lies below the next epoch.
///  4. Every change writes its event in the same transaction.
///  5. A boot ends the claims of all processes, jobs and leases before it: none of them lives, and their clock is gone.
///     Those that only a release ends (claim_life::released) stay: they stand for work on other machines. Where somebody
///     lives it was no boot, but a process to which a container shows another boot_id: refused as by rule 9.
///  6. A (queue, key) that was ever submitted stays in task_key, whatever becomes of the task.
///  7. A task that depends on others has one row in task_dependency for each that is not done; `blockers` follows the
///     rows by triggers, so that blocked tasks leave the index of ready ones without a counter that could drift.
///  8. A task's due time is monotonic; the wall's is kept beside it to set it again after a reboot.
///  9. Leases are measured by one clock. A process of another time namespace has another one: it is refused while
///     anybody of the first lives; then it begins as after a boot.
/// 10. Everybody's life mark is a lock on one inode. If somebody deleted that file (the database's own is the same, the
///     marks' is another), the marks of the living can't be seen any more: refused, until all who hold a claim by their
///     mark are known to be gone by their PIDs, and the kernel lists no lock on their bytes any more: what a job has
///     inherited outlives who claimed it.
#include "schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include <lockkit/error.hpp>
#include <lockkit/owner.hpp>

#include "claim_end.hpp"
#include "platform/lock.hpp"
#include "task_operations.hpp"

namespace lockkit::detail {
namespace {

constexpr int application_id = 0x6c6b6974;  // "lkit"
constexpr int schema_version = 1;

constexpr const char* tables = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE owner(
  id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, boot_id TEXT NOT NULL, pid_namespace INTEGER NOT NULL,
  pid INTEGER NOT NULL, pidfd_inode INTEGER NOT NULL, start_time INTEGER NOT NULL, command TEXT NOT NULL,
  label TEXT NOT NULL, since_ms INTEGER NOT NULL) STRICT;
CREATE TABLE resource(
  id INTEGER PRIMARY KEY, pool TEXT NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0,
  capacity INTEGER NOT NULL CHECK(capacity >= 0), used INTEGER NOT NULL DEFAULT 0 CHECK(used BETWEEN 0 AND capacity),
  token INTEGER NOT NULL DEFAULT 0, grp TEXT NOT NULL, memory INTEGER NOT NULL, attributes TEXT NOT NULL,
  last_used INTEGER NOT NULL DEFAULT 0, UNIQUE(pool, name)) STRICT;
CREATE INDEX resource_free ON resource(pool, memory, last_used, id) WHERE state = 0 AND used < capacity;
CREATE TABLE claim(
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, owner_id INTEGER NOT NULL REFERENCES owner(id),
  life INTEGER NOT NULL CHECK(life BETWEEN 0 AND 3), lease_ms INTEGER NOT NULL, until_ms INTEGER,  -- monotonic
  since_ms INTEGER NOT NULL) STRICT;
CREATE INDEX claim_owner ON claim(owner_id);
CREATE INDEX claim_lease ON claim(until_ms) WHERE until_ms IS NOT NULL;
CREATE TABLE claim_item(
  claim_id INTEGER NOT NULL REFERENCES claim(id) ON DELETE CASCADE,
  resource_id INTEGER NOT NULL REFERENCES resource(id), token INTEGER NOT NULL,
  PRIMARY KEY(claim_id, resource_id)) STRICT, WITHOUT ROWID;
CREATE INDEX claim_item_resource ON claim_item(resource_id);
CREATE TRIGGER claim_item_made AFTER INSERT ON claim_item BEGIN
  UPDATE resource SET used = used + 1 WHERE id = NEW.resource_id; END;
CREATE TRIGGER claim_item_gone AFTER DELETE ON claim_item BEGIN
  UPDATE resource SET used = used - 1, last_used = OLD.claim_id WHERE id = OLD.resource_id; END;
CREATE TABLE waiter(
  ticket INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER NOT NULL REFERENCES owner(id), pool TEXT NOT NULL,
  count INTEGER NOT NULL, memory INTEGER NOT NULL, grp TEXT NOT NULL, one_group INTEGER NOT NULL, attributes TEXT NOT NULL,
  since_ms INTEGER NOT NULL, until_ms INTEGER) STRICT;  -- both monotonic
CREATE INDEX waiter_owner ON waiter(owner_id);
CREATE INDEX waiter_pool ON waiter(pool, ticket);
CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, pool TEXT NOT NULL,
  name TEXT NOT NULL, claim_key TEXT NOT NULL, token INTEGER NOT NULL, pid INTEGER NOT NULL,
  task_id INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE task_key(
  queue TEXT NOT NULL, key TEXT NOT NULL, task_id INTEGER NOT NULL, PRIMARY KEY(queue, key)) STRICT, WITHOUT ROWID;
CREATE TABLE task(
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 7), priority INTEGER NOT NULL,
  due_ms INTEGER NOT NULL, due_wall_ms INTEGER NOT NULL, ready_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL CHECK(max_attempts >= 1),
  blockers INTEGER NOT NULL DEFAULT 0 CHECK(blockers >= 0), cancel_wanted INTEGER NOT NULL DEFAULT 0,
  claim_key TEXT NOT NULL DEFAULT '', external TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '',
  submitted_ms INTEGER NOT NULL, ended_ms INTEGER,
  pool TEXT NOT NULL, count INTEGER NOT NULL, memory INTEGER NOT NULL, grp TEXT NOT NULL, one_group INTEGER NOT NULL,
  attributes TEXT NOT NULL, life INTEGER NOT NULL, lease_ms INTEGER NOT NULL, UNIQUE(queue, key)) STRICT;
CREATE INDEX task_ready ON task(queue, priority DESC, id, due_ms) WHERE state = 0 AND blockers = 0;
CREATE INDEX task_due ON task(queue, due_ms) WHERE state = 0 AND blockers = 0;
CREATE INDEX task_state ON task(queue, state, id);
CREATE INDEX task_claim ON task(claim_key) WHERE state IN (1, 2, 3, 7);
CREATE TABLE task_dependency(
  task_id INTEGER NOT NULL REFERENCES task(id) ON DELETE CASCADE, on_id INTEGER NOT NULL,
  PRIMARY KEY(task_id, on_id)) STRICT, WITHOUT ROWID;
CREATE INDEX task_dependency_on ON task_dependency(on_id);
CREATE TRIGGER task_dependency_made AFTER INSERT ON task_dependency BEGIN
  UPDATE task SET blockers = blockers + 1 WHERE id = NEW.task_id; END;
CREATE TRIGGER task_dependency_gone AFTER DELETE ON task_dependency BEGIN
  UPDATE task SET blockers = blockers - 1 WHERE id = OLD.task_id; END;
CREATE TRIGGER task_done AFTER UPDATE OF state ON task WHEN NEW.state = 4 BEGIN
  DELETE FROM task_dependency WHERE on_id = NEW.id; END;
CREATE TABLE task_attempt(
  id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER NOT NULL, queue TEXT NOT NULL, key TEXT NOT NULL,
  attempt INTEGER NOT NULL, claim_key TEXT NOT NULL, items TEXT NOT NULL, taken_ms INTEGER NOT NULL, running_ms INTEGER,
  ended_ms INTEGER, outcome TEXT NOT NULL DEFAULT '', UNIQUE(task_id, attempt, claim_key)) STRICT;
CREATE INDEX task_attempt_queue ON task_attempt(queue, id);
)sql";

std::string meta(connection& db, std::string_view name) {
  statement query = db.prepare("SELECT value FROM meta WHERE name = ?");
  return query.bind(name).step() ? query.text(0) : std::string();
}

void set_meta(connection& db, std::string_view name, std::string_view value) {
  db.prepare("UPDATE meta SET value = ?2 WHERE name = ?1").bind(name, value).run();
}

void set_and_read_back(connection& db, const char* set, const char* read, std::string_view expected) {
  db.execute(set);
  if (db.value_of(read) == expected) return;
  throw sqlite_failure{errc::unsupported_filesystem, fmt::format("after '{}' it is '{}'", set, db.value_of(read))};
}

bool is_new(connection& db) {
  return db.value_of("SELECT count(*) FROM sqlite_schema") == "0" && db.value_of("PRAGMA application_id") == "0";
}

void create_tables(connection& db) {
  db.execute(tables);
  db.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, schema_version).c_str());
  db.execute(R"sql(
INSERT INTO meta VALUES('epoch', 0), ('boot_id', ''), ('clock', ''), ('clock_ms', 0), ('database', ''), ('marks', '')
)sql");
}

bool is_as_before(connection& db, const surroundings& now) {
  return meta(db, "boot_id") == now.boot_id && meta(db, "clock") == now.clock && meta(db, "database") == now.database &&
         meta(db, "marks") == now.marks;
}

std::vector<std::string> keys(statement& query) {
  std::vector<std::string> found;
  while (query.step()) found.push_back(query.text(0));
  return found;
}

/// Rule 5.
void end_all_claims(connection& db) {
  statement query = db.prepare("SELECT key FROM claim WHERE life <> 3");
  for (const std::string& key : keys(query)) end_claim(db, key, claim_end::died);
  statement tasks = db.prepare("SELECT claim_key FROM task WHERE state IN (1, 2, 3)");
  for (const std::string& key : keys(tasks)) lose_holder(db, key);
  begin_task_epoch(db);
  db.prepare("UPDATE meta SET value = 0 WHERE name = 'clock_ms'").run();
}

/// `file` as surroundings have it: device:inode.
std::vector<std::uint64_t> locked_bytes(const std::string& file) {
  std::error_code ec;
  const std::uint64_t inode = std::strtoull(file.substr(file.find(':') + 1).c_str(), nullptr, 10);
  std::vector<std::uint64_t> bytes = platform::list_locked_bytes(inode, ec);
  if (ec) throw sqlite_failure{ec, "the kernel's list of locks can't be read"};
  return bytes;
}

/// Rule 10. Their claims then end as those of other dead owners do: their marks are free in the new file.
void require_all_marked_dead(connection& db) {
  statement query = db.prepare(R"sql(
SELECT o.host, o.boot_id, o.pid_namespace, o.pid, o.pidfd_inode, o.start_time, o.id
FROM claim c JOIN owner o ON o.id = c.owner_id WHERE c.life <= 1)sql");
  std::optional<std::vector<std::uint64_t>> locked;  // on the marks' file that was
  while (query.step()) {
    if (!locked) locked = locked_bytes(meta(db, "marks"));
    owner holder;
    holder.host = query.text(0);
    holder.boot_id = query.text(1);
    holder.pid_namespace = static_cast<std::uint64_t>(query.integer(2));
    holder.pid = static_cast<std::int32_t>(query.integer(3));
    holder.pidfd_inode = static_cast<std::uint64_t>(query.integer(4));
    holder.start_time = static_cast<std::uint64_t>(query.integer(5));
    const bool has_mark = std::ranges::count(*locked, static_cast<std::uint64_t>(query.integer(6))) > 0;
    const bool is_gone = probe(holder) == liveness::dead;
    if (is_gone && !has_mark) continue;
    throw sqlite_failure{errc::database_replaced, fmt::format("its file '-live' was deleted, but {}{} holds a claim",
                                                              is_gone ? "a child of " : "", holder.describe())};
  }
}

void adapt(connection& db, const surroundings& now, const std::function<bool()>& somebody_lives) {
  const bool rebooted = meta(db, "boot_id") != now.boot_id;
  const bool has_another_clock = !rebooted && meta(db, "clock") != now.clock;
  const bool is_another_file = meta(db, "database") != now.database;
  if (has_another_clock && somebody_lives()) throw sqlite_failure{errc::foreign_clock};
  if (rebooted && !is_another_file && somebody_lives()) {  // of another file they are told that it was replaced
    throw sqlite_failure{errc::foreign_clock, "somebody lives there who has another boot_id"};
  }
  if (rebooted || has_another_clock) {
    end_all_claims(db);
  } else if (!is_another_file && meta(db, "marks") != now.marks) {
    require_all_marked_dead(db);
  }
  db.prepare("DELETE FROM waiter").run();
  db.prepare("UPDATE meta SET value = value + 1 WHERE name = 'epoch'").run();
  set_meta(db, "boot_id", now.boot_id);
  set_meta(db, "clock", now.clock);
  set_meta(db, "database", now.database);
  set_meta(db, "marks", now.marks);
}

}  // namespace

void configure(connection& db) {
  set_and_read_back(db, "PRAGMA journal_mode = WAL", "PRAGMA journal_mode", "wal");
  set_and_read_back(db, "PRAGMA foreign_keys = ON", "PRAGMA foreign_keys", "1");
  set_and_read_back(db, "PRAGMA wal_autocheckpoint = 0", "PRAGMA wal_autocheckpoint", "0");
  set_and_read_back(db, "PRAGMA journal_size_limit = 4194304", "PRAGMA journal_size_limit", "4194304");
  set_and_read_back(db, "PRAGMA temp_store = MEMORY", "PRAGMA temp_store", "2");
  set_and_read_back(db, "PRAGMA trusted_schema = OFF", "PRAGMA trusted_schema", "0");
  // A file that somebody truncates would be SIGBUS in a mapping. Without the feature there is no answer at all.
  db.execute("PRAGMA mmap_size = 0");
  if (const std::string size = db.value_of("PRAGMA mmap_size"); !size.empty() && size != "0") {
    throw sqlite_failure{std::make_error_code(std::errc::function_not_supported), "mmap_size " + size};
  }
  db.switch_on(SQLITE_DBCONFIG_DEFENSIVE);
  db.switch_on(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE);  // checkpoints are made behind the gate
  db.count_log_pages();                            // in the place that automatic checkpoints left
}

void synchronize(connection& db, sync_mode mode) {
  const bool full = mode == sync_mode::full;
  set_and_read_back(db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", "PRAGMA synchronous",
                    full ? "2" : "1");
}

void check_version(connection& db) {
  if (is_new(db)) return;
  if (db.value_of("PRAGMA application_id") != fmt::format("{}", application_id)) {
    throw sqlite_failure{errc::not_our_database};
  }
  if (std::stoi(db.value_of("PRAGMA user_version")) > schema_version) throw sqlite_failure{errc::newer_schema};
}

void prepare_schema(connection& db, const surroundings& now, const std::function<bool()>& somebody_lives) {
  if (!is_new(db) && is_as_before(db, now)) return;
  synchronize(db, sync_mode::full);
  db.execute("BEGIN IMMEDIATE");
  if (is_new(db)) create_tables(db);
  adapt(db, now, somebody_lives);
  db.execute("COMMIT");
}

}  // namespace lockkit::detail
