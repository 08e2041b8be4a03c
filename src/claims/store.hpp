#pragma once
/// A database in use: its files, its connection, this process's life mark, and turns at writing.
///
/// Rules, each with its reason.
///  1. Writers take turns at the gate (a file_mutex) before BEGIN IMMEDIATE: SQLite's own waiting lets one process go
///  ten
///     thousand times while another goes twice. Correctness rests on BEGIN IMMEDIATE alone; the gate is for fairness,
///     deadlines and checkpoints. The kernel frees it when its holder dies.
///  2. Checkpoints run only behind the gate. SQLite before 3.51.3 can corrupt the log when a checkpoint meets a writer;
///     with automatic checkpoints off and ours in turn with the writers that can't happen among lockkit's processes.
///  3. The life mark is byte `owner id` of the file `-live`, locked inside the transaction that makes the owner's row,
///  so
///     that nobody ever sees a living owner without it.
///  4. What is granted exists only after COMMIT has succeeded.
///  5. After a commit that can help somebody, the file `-wake` is written to; whoever waits watches it since before it
///     looked, so no wake-up is lost. A crash between commit and write costs the waiter's slice.
///  6. SQLite's own files are never opened here: closing any descriptor of them would drop SQLite's locks.
///  7. A forked child touches nothing: no SQLite call, not even closing. The parent's life mark stays the parent's.
///  8. Another file at the database's path than the one that was opened is noticed at each write: database_replaced.

#include <atomic>
#include <memory>
#include <mutex>

#include <lockkit/claim_store.hpp>
#include <lockkit/file_mutex.hpp>

#include "operations.hpp"
#include "platform/file.hpp"

namespace lockkit::detail {

class store {
 public:
  store(const std::filesystem::path& database, claim_store_options options);
  ~store();
  store(const store&) = delete;

  /// Runs `body(connection)` in one transaction, in turn with all writers, and commits. errc::timed_out when its turn
  /// does not come in time. `body` returns whether others may have to be woken, through wake_others.
  template <class Body>
  auto write(deadline until, Body&& body);
  /// Runs `body(connection)` without a transaction of its own, reading only.
  template <class Body>
  auto read(Body&& body) {
    const std::lock_guard hold(use_);
    check_process();
    return body(db_);
  }

  /// This process's row, made in the current transaction the first time. Only inside write().
  [[nodiscard]] std::int64_t owner_id(connection& db);
  [[nodiscard]] death_check death() const;
  [[nodiscard]] bool is_own_process() const noexcept;
  void wake_others() noexcept;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const std::string& wake_path() const noexcept { return wake_path_; }

 private:
  class transaction;
  void open_side_files();
  void check_process() const;
  void check_identity() const;
  void checkpoint() noexcept;

  std::filesystem::path path_;
  std::string wake_path_;
  claim_store_options options_;
  std::uint64_t generation_;
  file_mutex gate_;
  std::mutex use_;
  std::unique_ptr<connection> opened_;
  connection& db_;
  struct stat identity_{};
  platform::unique_fd live_;
  platform::unique_fd wake_;
  std::atomic<std::int64_t> owner_{0};
};

/// Takes its turn, begins, and rolls back unless committed.
class store::transaction {
 public:
  transaction(store& s, deadline until);
  ~transaction();
  void commit();

 private:
  store& store_;
  std::unique_lock<file_mutex> turn_;
  std::unique_lock<std::mutex> use_;
  std::int64_t owner_before_;
  bool open_ = false;
};

template <class Body>
auto store::write(deadline until, Body&& body) {
  transaction current(*this, until);
  auto result = body(db_);
  current.commit();
  return result;
}

}  // namespace lockkit::detail
