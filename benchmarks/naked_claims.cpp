#include "naked_claims.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace benchmark {
namespace {

constexpr std::array<const char*, 9> texts = {
    "BEGIN IMMEDIATE",
    R"sql(
SELECT id, name, grp FROM resource
WHERE pool = ?1 AND state = 0 AND used < capacity AND memory >= ?2 AND (?3 = '' OR grp = ?3)
ORDER BY memory, last_used, id LIMIT 1)sql",
    "INSERT INTO claim(key, owner_id, life, lease_ms, until_ms, since_ms) VALUES(?1, ?2, 0, 0, NULL, ?3)",
    R"sql(
UPDATE resource SET token = max(token, (SELECT value << 40 FROM meta WHERE name = 'epoch')) + 1 WHERE id = ?
RETURNING token)sql",
    "INSERT INTO claim_item(claim_id, resource_id, token) VALUES(?, ?, ?)",
    R"sql(
INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid) VALUES(?1, 'claimed', ?2, ?3, ?4, ?5, ?6))sql",
    R"sql(
INSERT INTO event(at_ms, kind, pool, name, claim_key, token, pid)
SELECT ?2, 'released', r.pool, r.name, c.key, i.token, o.pid
FROM claim c JOIN claim_item i ON i.claim_id = c.id JOIN resource r ON r.id = i.resource_id
  JOIN owner o ON o.id = c.owner_id
WHERE c.key = ?1)sql",
    "DELETE FROM claim WHERE key = ?",
    "COMMIT"};

void check(sqlite3* db, int result) {
  if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE) return;
  throw std::runtime_error(std::string("SQL by hand: ") + sqlite3_errmsg(db));
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

}  // namespace

naked_claims::naked_claims(const std::filesystem::path& database, bool durable, int busy_timeout)
    : next_key_(std::int64_t{::getpid()} << 32) {
  check(db_, sqlite3_open_v2(database.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
  sqlite3_busy_timeout(db_, busy_timeout);
  for (const char* setting :
       {"PRAGMA foreign_keys = ON", durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
        "PRAGMA wal_autocheckpoint = 1000", "PRAGMA temp_store = MEMORY"}) {
    check(db_, sqlite3_exec(db_, setting, nullptr, nullptr, nullptr));
  }
  const std::string owner = fmt::format(
      "INSERT INTO owner(host, boot_id, pid_namespace, pid, pidfd_inode, start_time, command, label, since_ms) "
      "VALUES('', '', 0, {}, 0, 0, '', '', 0)",
      ::getpid());
  check(db_, sqlite3_exec(db_, owner.c_str(), nullptr, nullptr, nullptr));
  owner_ = sqlite3_last_insert_rowid(db_);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    check(db_, sqlite3_prepare_v3(db_, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements_[i], nullptr));
  }
}

naked_claims::~naked_claims() {
  for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

void naked_claims::run(use which) {
  check(db_, sqlite3_step(statements_[which]));
  sqlite3_reset(statements_[which]);
}

void naked_claims::claim() {
  const std::string pool = "gpu";
  const std::string none;
  key_ = fmt::format("{:032x}", next_key_++);
  run(begin);
  sqlite3_stmt* found = statements_[find];
  bind(found, 1, pool);
  sqlite3_bind_int64(found, 2, 0);
  bind(found, 3, none);
  if (sqlite3_step(found) != SQLITE_ROW) throw std::runtime_error("nothing is free");
  const std::int64_t resource = sqlite3_column_int64(found, 0);
  const std::string name = reinterpret_cast<const char*>(sqlite3_column_text(found, 1));
  sqlite3_reset(found);
  bind(statements_[add], 1, key_);
  sqlite3_bind_int64(statements_[add], 2, owner_);
  sqlite3_bind_int64(statements_[add], 3, wall_ms());
  run(add);
  const std::int64_t claim = sqlite3_last_insert_rowid(db_);
  sqlite3_bind_int64(statements_[take_token], 1, resource);
  check(db_, sqlite3_step(statements_[take_token]));
  const std::int64_t token = sqlite3_column_int64(statements_[take_token], 0);
  sqlite3_reset(statements_[take_token]);
  sqlite3_bind_int64(statements_[hold], 1, claim);
  sqlite3_bind_int64(statements_[hold], 2, resource);
  sqlite3_bind_int64(statements_[hold], 3, token);
  run(hold);
  sqlite3_bind_int64(statements_[note], 1, wall_ms());
  bind(statements_[note], 2, pool);
  bind(statements_[note], 3, name);
  bind(statements_[note], 4, key_);
  sqlite3_bind_int64(statements_[note], 5, token);
  sqlite3_bind_int64(statements_[note], 6, ::getpid());
  run(note);
  run(commit);
}

void naked_claims::release() {
  run(begin);
  bind(statements_[note_end], 1, key_);
  sqlite3_bind_int64(statements_[note_end], 2, wall_ms());
  run(note_end);
  bind(statements_[end], 1, key_);
  run(end);
  run(commit);
}

}  // namespace benchmark
