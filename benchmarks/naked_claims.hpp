#pragma once
/// One resource claimed and released by SQL written by hand, in a database that claim_store has made: the statements that
/// a grant and a release need, prepared once, each in a transaction of its own. What it lacks: turns and deadlines among
/// writers, liveness, waiting, matching by attributes, a check of the files.

#include <sqlite3.h>

#include <array>
#include <filesystem>
#include <string>

namespace benchmark {

class naked_claims {
 public:
  /// `busy_timeout` in milliseconds: SQLite's own waiting; 0: none.
  naked_claims(const std::filesystem::path& database, bool durable, int busy_timeout);
  ~naked_claims();
  naked_claims(const naked_claims&) = delete;
  naked_claims& operator=(const naked_claims&) = delete;

  /// The claim's number; throws if nothing is free.
  void claim();
  void release();

 private:
  enum use { begin, find, add, take_token, hold, note, note_end, end, commit, use_count };
  void run(use which);

  sqlite3* db_ = nullptr;
  std::array<sqlite3_stmt*, use_count> statements_{};
  std::string key_;
  std::int64_t next_key_;
  std::int64_t owner_ = 0;
};

}  // namespace benchmark
