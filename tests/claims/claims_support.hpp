#pragma once
/// What the tests of claims share.

#include <filesystem>
#include <set>
#include <string>

#include <lockkit/claim_store.hpp>

#include "support/process.hpp"

namespace testing {

inline void add_gpus(lockkit::claim_store& store, int count) {
  for (int i = 0; i < count; ++i) store.add({.pool = "gpu", .name = "g" + std::to_string(i)});
}

inline std::set<std::string> names(const lockkit::claim& held) {
  std::set<std::string> result;
  for (const auto& item : held.items()) result.insert(item.name);
  return result;
}

/// sqlite3's own word on the database, from another program.
inline std::string ask_sqlite(const std::filesystem::path& database, const std::string& sql) {
  return capture_program({"sqlite3", database.string(), sql}).text;
}

/// Until that query has that answer; the test's own time limit ends it otherwise.
inline void await_answer(const std::filesystem::path& database, const std::string& sql, const std::string& answer) {
  while (ask_sqlite(database, sql) != answer + "\n") {
  }
}

inline void await_waiters(const std::filesystem::path& database, int count) {
  await_answer(database, "SELECT count(*) FROM waiter", std::to_string(count));
}

}  // namespace testing
