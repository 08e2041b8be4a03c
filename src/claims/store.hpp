#pragma once
/// A database in use: its files, its connection, this process's life mark, and turns at writing.
///
/// Rules, each with its reason.
///  1. Writers take turns at the gate (a file_mutex) before BEGIN IMMEDIATE: SQLite's own waiting lets one process go ten
///     thousand times while another goes twice. Correctness rests on BEGIN IMMEDIATE alone; the gate is for fairness,
///     deadlines and checkpoints. The kernel frees it when its holder dies. Who has waited for its turn for a while says
///     so by a mark on `-live`; then nobody goes in without having waited as well. A process that does nothing but write
///     would otherwise often be back before a sleeper has woken up.
///  2. Nobody sleeps with the connection in hand: where a writer that does not know the gate is in the way (the sqlite3
///     shell), it is let go between two tries, or another thread's shorter deadline would be broken.
///  3. Checkpoints run only behind the gate, and take SQLite's writer lock while they run. SQLite before 3.51.3 can
///     corrupt the log when a checkpoint meets a writer. Automatic ones are off, also the one at closing.
///  4. A life mark is byte `owner id` of the file `-live`, locked inside the transaction that makes the owner's row, so
///     that nobody ever sees a living owner without it. A process has one in its store's description of the file; each
///     claim of claim_life::job has one in a description of its own, which a job can inherit.
///  5. What is granted exists only after COMMIT has succeeded. If COMMIT fails, what became of the change is looked up;
///     what should have gone and perhaps has not goes with the next commit (at_next_write).
///  6. After a commit that can help somebody, `-live` is written to; whoever waits watches it since before it looked, so
///     no wake-up is lost. A crash between commit and write costs the waiter's slice.
///  7. SQLite's own files are never opened here: closing any descriptor of them would drop SQLite's locks.
///  8. A forked child touches nothing: no SQLite call, not even closing. The parent's life mark stays the parent's.
///  9. Another file at the database's path or at that of `-live` than the one that is open is noticed inside each writing
///     transaction, before it changes anything: database_replaced. Not before BEGIN: whoever opens the store anew after
///     a deletion looks for the living inside a transaction, too (schema.cpp, rule 10), so one of both sees the other.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include <lockkit/claim_store.hpp>
#include <lockkit/file_mutex.hpp>

#include "operations.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/watch.hpp"
#include "schema.hpp"

namespace lockkit::detail {

/// An owner of its own, alive while any copy of the descriptor is open. Id 0: none.
struct life_mark {
  std::int64_t owner_id = 0;
  platform::unique_fd fd;
};

class store {
 public:
  store(const std::filesystem::path& database, claim_store_options options);
  ~store();
  store(const store&) = delete;

  /// Runs `body(connection)` in one transaction, in turn with all writers, and commits. errc::timed_out when its turn
  /// does not come in time. Others are not woken: see wake_others(). `sync_mode::full`: also where the store was opened
  /// for less.
  template <class Body>
  auto write(deadline until, Body&& body, sync_mode mode = sync_mode::normal);
  /// Runs `body(connection)` without a transaction of its own, reading only.
  template <class Body>
  auto read(Body&& body) {
    check_process();
    const std::lock_guard hold(use_);
    db_.be_patient_until(deadline::after(reading_patience));
    return body(db_);
  }
  /// Runs `body(connection)` inside the next write() of this store, whoever calls that. For what must go and could not.
  void at_next_write(std::function<void(connection&)> body) noexcept;

  /// This process's row, made in the current transaction the first time. Only inside write().
  [[nodiscard]] std::int64_t owner_id(connection& db);
  /// An owner for one job. Only inside write(), which the mark must outlive; if that fails, the mark is to be dropped.
  [[nodiscard]] life_mark job_owner(connection& db);
  [[nodiscard]] death_check death() const;
  /// This process's life mark then stays until the process ends, not only while the store is open.
  void keep_life_mark() noexcept { keeps_mark_ = true; }
  [[nodiscard]] bool is_own_process() const noexcept;
  /// Whether the latest request through this store was granted: then the next one may save itself the look.
  [[nodiscard]] bool had_luck() const noexcept { return had_luck_; }
  void note_luck(bool granted) noexcept { had_luck_ = granted; }
  /// errc::database_replaced.
  void check_files() const;

  void wake_others() noexcept;
  /// A watch of wake_path() that may have been used before; to be given back, since making and closing one is dear.
  [[nodiscard]] std::unique_ptr<platform::path_watch> borrow_watch(std::error_code& ec);
  void give_back(std::unique_ptr<platform::path_watch> watch) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Written to when something has changed.
  [[nodiscard]] const std::string& wake_path() const noexcept { return live_path_; }

 private:
  class transaction;
  /// Rule 1. False: not before `until`.
  [[nodiscard]] bool take_turn(deadline until);
  void let_the_hurried_go_first(deadline until);
  static constexpr std::chrono::seconds reading_patience{5};
  void check_process() const;
  void open_files();
  [[nodiscard]] surroundings look_around() const;
  [[nodiscard]] owner self() const;
  void checkpoint() noexcept;
  /// `in_doubt`: the answer when it can't be looked up.
  [[nodiscard]] bool is_known(std::int64_t owner_id, bool in_doubt) noexcept;

  std::filesystem::path path_;
  std::string live_path_;
  claim_store_options options_;
  std::uint64_t generation_;
  std::unique_ptr<connection> opened_;
  connection& db_;
  file_mutex gate_;
  std::mutex use_;  // the connection, and what stands below
  std::vector<std::function<void(connection&)>> leftovers_;
  int next_checkpoint_ = 0;
  std::int64_t job_made_ = 0;  // in the open transaction
  int job_made_fd_ = -1;
  std::vector<std::unique_ptr<platform::path_watch>> watches_;
  platform::inode_facts database_;
  platform::inode_facts marks_;
  platform::unique_fd live_;
  std::atomic<std::int64_t> owner_{0};
  std::atomic<bool> keeps_mark_{false};
  std::atomic<bool> had_luck_{true};
  std::atomic<std::int64_t> hurry_seen_in_vain_{0};  // monotonic ms
};

/// Takes its turn, begins, and rolls back unless committed.
class store::transaction {
 public:
  transaction(store& s, deadline until, sync_mode mode);
  ~transaction();
  void commit();

 private:
  void begin(deadline until, sync_mode mode);
  void lower() noexcept;
  void roll_back() noexcept;
  void forget_owners() noexcept;

  store& store_;
  std::unique_lock<file_mutex> turn_;
  std::unique_lock<std::mutex> use_;
  std::int64_t owner_before_ = 0;
  bool is_open_ = false;
  bool is_raised_ = false;  // to sync_mode::full
};

template <class Body>
auto store::write(deadline until, Body&& body, sync_mode mode) {
  transaction current(*this, until, mode);
  auto result = body(db_);
  current.commit();
  return result;
}

}  // namespace lockkit::detail
