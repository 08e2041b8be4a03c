#pragma once
/// SQLite for this module: one connection, statements kept prepared, errors as exceptions inside the module and as
/// error_codes at its border. A connection is used by one thread at a time and never in a forked child.

#include <sqlite3.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include <lockkit/deadline.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

/// A failed call, as the code that the public functions report.
struct sqlite_failure {
  std::error_code code;
  std::string message{};     ///< for people; may be empty
  bool is_in_doubt = false;  ///< COMMIT failed: whether the change is in the database has to be looked up
};

/// What an SQLite result means to a caller: ENOSPC, EROFS, errc::not_our_database, errc::database_damaged, ...
/// `system_errno`: of the call that failed below SQLite; 0: none.
[[nodiscard]] std::error_code code_for(int sqlite_result, int system_errno = 0) noexcept;

/// Throws unless a library of this version has what the schema and the statements need.
LOCKKIT_PRIVATE_API void require_version(int sqlite_version_number);

/// A prepared statement while it is used; reset when it goes out of scope, so that it never holds a read lock across a
/// wait.
class statement {
 public:
  explicit statement(sqlite3_stmt* prepared) noexcept : prepared_(prepared) {}
  ~statement();
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  /// Binds all parameters in order. Text is copied.
  template <class... Values>
  statement& bind(const Values&... values) {
    int index = 0;
    (bind_at(++index, values), ...);
    return *this;
  }
  /// True: a row stands ready.
  bool step();
  /// For statements without rows: runs to the end, returns how many rows were changed.
  int run();
  /// For BEGIN: false if another connection writes.
  bool try_run();

  [[nodiscard]] std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(prepared_, column); }
  [[nodiscard]] bool is_null(int column) const noexcept {
    return sqlite3_column_type(prepared_, column) == SQLITE_NULL;
  }
  [[nodiscard]] std::string text(int column) const;

 private:
  void bind_at(int index, std::int64_t value);
  void bind_at(int index, std::string_view value);
  void check(int result) const;
  sqlite3_stmt* prepared_;
};

class LOCKKIT_PRIVATE_API connection {
 public:
  connection() = default;
  /// Opens or makes the file. Throws sqlite_failure, also for a file that can only be read.
  explicit connection(const std::string& path);
  ~connection();
  connection(connection&&) = delete;

  /// Statements without parameters and rows.
  void execute(const char* sql);
  /// Prepared once, kept for the connection's life. `sql` must be a literal: it is the key.
  [[nodiscard]] statement prepare(const char* sql);
  /// The value of a pragma or of a one-row query, as text.
  [[nodiscard]] std::string value_of(const char* sql);
  /// sqlite3_db_config of a switch; throws if it did not take.
  void switch_on(int option);

  /// Until when SQLite may sleep and try again where another connection is in its way.
  void be_patient_until(deadline until) noexcept { patience_ = until; }
  /// From now on. SQLite has one place for this and for automatic checkpoints.
  void count_log_pages() noexcept { sqlite3_wal_hook(handle_, &on_commit, this); }
  /// Pages in the write-ahead log after the last commit.
  [[nodiscard]] int log_pages() const noexcept { return log_pages_; }
  [[nodiscard]] sqlite3* get() const noexcept { return handle_; }
  /// Whether the file at its path is another one than the one that is open, or gone.
  [[nodiscard]] bool has_moved() const noexcept;
  /// In a forked child: lets go of everything without touching it. SQLite forbids any call there.
  void abandon() noexcept;

 private:
  static int on_busy(void* self, int count) noexcept;
  static int on_commit(void* self, sqlite3*, const char*, int pages) noexcept;
  void check(int result) const;

  sqlite3* handle_ = nullptr;
  deadline patience_;
  int log_pages_ = 0;
  std::unordered_map<const char*, sqlite3_stmt*> prepared_;
};

}  // namespace lockkit::detail
