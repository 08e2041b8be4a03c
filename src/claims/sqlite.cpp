#include "sqlite.hpp"

#include <errno.h>
#include <fmt/format.h>

#include <utility>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

namespace lockkit::detail {
namespace {

sqlite_failure failure_of(sqlite3* handle, int result) {
  return {code_for(result, sqlite3_system_errno(handle)), sqlite3_errmsg(handle)};
}

std::error_code system_code(int system_errno, std::errc otherwise) noexcept {
  if (system_errno == 0) return std::make_error_code(otherwise);
  return {system_errno, std::system_category()};
}

}  // namespace

std::error_code code_for(int sqlite_result, int system_errno) noexcept {
  if (sqlite_result == SQLITE_READONLY_DBMOVED) return errc::database_replaced;
  switch (sqlite_result & 0xff) {
    case SQLITE_OK:
      return {};
    case SQLITE_FULL:
      return std::make_error_code(std::errc::no_space_on_device);
    case SQLITE_READONLY:
      return std::make_error_code(std::errc::read_only_file_system);
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return std::make_error_code(std::errc::permission_denied);
    case SQLITE_CANTOPEN:
      return system_code(system_errno, std::errc::no_such_file_or_directory);
    case SQLITE_IOERR:
      return system_code(system_errno, std::errc::io_error);
    case SQLITE_NOTADB:
      return errc::not_our_database;
    case SQLITE_CORRUPT:
      return errc::database_damaged;
    case SQLITE_NOMEM:
      return std::make_error_code(std::errc::not_enough_memory);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return errc::timed_out;
    case SQLITE_CONSTRAINT:
      return errc::in_use;
    case SQLITE_PROTOCOL:
      return errc::unsupported_filesystem;
    default:
      return std::make_error_code(std::errc::io_error);
  }
}

void require_version(int sqlite_version_number) {
  constexpr int with_strict_tables = 3'037'000;  // RETURNING is older
  if (sqlite_version_number >= with_strict_tables) return;
  throw sqlite_failure{std::make_error_code(std::errc::function_not_supported),
                       fmt::format("SQLite {}.{} is too old, 3.37 is needed", sqlite_version_number / 1'000'000,
                                   sqlite_version_number / 1000 % 1000)};
}

statement::~statement() {
  sqlite3_reset(prepared_);
  sqlite3_clear_bindings(prepared_);
}

void statement::check(int result) const {
  if (result != SQLITE_OK) throw failure_of(sqlite3_db_handle(prepared_), result);
}

void statement::bind_at(int index, std::int64_t value) {
  check(sqlite3_bind_int64(prepared_, index, value));
}

void statement::bind_at(int index, std::string_view value) {
  const char* text = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  check(sqlite3_bind_text64(prepared_, index, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

bool statement::step() {
  const int result = sqlite3_step(prepared_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) throw failure_of(sqlite3_db_handle(prepared_), result);
  return false;
}

int statement::run() {
  while (step()) {
  }
  return sqlite3_changes(sqlite3_db_handle(prepared_));
}

bool statement::try_run() {
  const int result = sqlite3_step(prepared_);
  if ((result & 0xff) == SQLITE_BUSY) return false;
  if (result != SQLITE_DONE) throw failure_of(sqlite3_db_handle(prepared_), result);
  return true;
}

std::string statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(prepared_, column));
  return bytes == nullptr ? std::string()
                          : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(prepared_, column)));
}

connection::connection(const std::string& path) {
  require_version(sqlite3_libversion_number());
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr);
  if (result == SQLITE_OK && sqlite3_db_readonly(handle_, "main") == 0) {
    sqlite3_busy_handler(handle_, &on_busy, this);
    return;
  }
  sqlite_failure failure = failure_of(handle_, result);
  if (result == SQLITE_OK) failure = {code_for(SQLITE_PERM), "it can only be read"};
  sqlite3_close(std::exchange(handle_, nullptr));
  throw sqlite_failure(std::move(failure));
}

connection::~connection() {
  for (const auto& [sql, prepared] : prepared_) sqlite3_finalize(prepared);
  sqlite3_close(handle_);
}

void connection::abandon() noexcept {
  prepared_.clear();
  handle_ = nullptr;
}

void connection::check(int result) const {
  if (result != SQLITE_OK) throw failure_of(handle_, result);
}

void connection::execute(const char* sql) {
  check(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr));
}

statement connection::prepare(const char* sql) {
  sqlite3_stmt*& prepared = prepared_[sql];
  if (prepared == nullptr) {
    check(sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr));
  }
  return statement(prepared);
}

std::string connection::value_of(const char* sql) {
  statement query = prepare(sql);
  return query.step() ? query.text(0) : std::string();
}

void connection::switch_on(int option) {
  int is_on = 0;
  check(sqlite3_db_config(handle_, option, 1, &is_on));
  if (is_on != 1) throw sqlite_failure{std::make_error_code(std::errc::function_not_supported), "sqlite3_db_config"};
}

bool connection::has_moved() const noexcept {
  int moved = 0;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

/// SQLite's own table of growing sleeps lets the oldest waiter sleep longest; a constant pause is fair.
int connection::on_busy(void* self, int) noexcept {
  const deadline until = static_cast<connection*>(self)->patience_;
  if (until.expired()) return 0;
  sleep_until(earlier(until, deadline::after(std::chrono::milliseconds(1))));
  return 1;
}

int connection::on_commit(void* self, sqlite3*, const char*, int pages) noexcept {
  static_cast<connection*>(self)->log_pages_ = pages;
  return SQLITE_OK;
}

}  // namespace lockkit::detail
