#include "store.hpp"

#include <fcntl.h>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "platform/filesystem_kind.hpp"
#include "platform/lock.hpp"
#include "platform/process.hpp"
#include "schema.hpp"

namespace lockkit::detail {
namespace {

namespace fs = std::filesystem;

void require(const std::error_code& ec) {
  if (ec) throw sqlite_failure{ec};
}

/// With links resolved: two spellings of one database must have one gate.
fs::path resolve(const fs::path& database) {
  if (database.empty() || !database.has_filename() || database.native().find('\0') != std::string::npos) {
    throw sqlite_failure{errc::invalid_name};
  }
  std::error_code ec;
  fs::path resolved = fs::weakly_canonical(fs::absolute(database, ec), ec);
  require(ec);
  return resolved;
}

fs::path beside(const fs::path& database, const char* suffix) {
  fs::path path = database;
  return path += suffix;
}

void refuse_remote(const fs::path& directory) {
  std::error_code ec;
  const platform::unique_fd fd = platform::open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  require(ec);
  if (platform::filesystem_of(fd.get(), ec) == platform::filesystem_kind::remote && !ec) {
    ec = errc::unsupported_filesystem;
  }
  require(ec);
}

platform::unique_fd open_side_file(const fs::path& path) {
  std::error_code ec;
  platform::unique_fd fd = platform::open_at(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0666, ec);
  require(ec);
  return fd;
}

constexpr std::chrono::seconds opening_patience{60};
constexpr int pages_before_checkpoint = 1000;
constexpr int pages_before_truncation = 8000;

}  // namespace

store::store(const fs::path& database, claim_store_options options)
    : path_(resolve(database)),
      wake_path_(beside(path_, "-wake").native()),
      options_(std::move(options)),
      generation_(platform::process_generation()),
      gate_((refuse_remote(path_.parent_path()), beside(path_, "-gate"))),
      opened_(std::make_unique<connection>(path_.native())),
      db_(*opened_) {
  std::error_code ec;
  if (!gate_.try_lock_until(deadline::after(opening_patience), ec) && !ec) ec = errc::timed_out;
  require(ec);
  const std::unique_lock turn(gate_, std::adopt_lock);
  db_.be_patient_until(deadline::after(opening_patience));
  configure(db_, options_.durable);
  prepare_schema(db_, current_process().boot_id);
  db_.execute(options_.durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  open_side_files();
}

store::~store() {
  if (is_own_process()) return;  // the members close: the connection, then the life mark
  db_.abandon();                 // rule 7
}

void store::open_side_files() {
  live_ = open_side_file(beside(path_, "-live"));
  wake_ = open_side_file(wake_path_);
  std::error_code ec;
  identity_ = platform::status_at(AT_FDCWD, path_.c_str(), ec);
  require(ec);
}

bool store::is_own_process() const noexcept {
  return generation_ == platform::process_generation();
}

void store::check_process() const {
  if (!is_own_process()) throw sqlite_failure{std::make_error_code(std::errc::operation_not_permitted)};
}

/// Rule 8.
void store::check_identity() const {
  std::error_code ec;
  const struct stat named = platform::status_at(AT_FDCWD, path_.c_str(), ec);
  if (ec || !platform::same_inode(named, identity_)) throw sqlite_failure{errc::database_replaced};
}

std::int64_t store::owner_id(connection& db) {
  if (owner_ != 0) return owner_;
  owner self = current_process();
  self.label = options_.label;
  const std::int64_t id = add_owner(db, self);
  std::error_code ec;
  const bool marked = platform::try_lock_byte(live_.get(), static_cast<std::uint64_t>(id), ec);  // rule 3
  if (!marked && !ec) ec = errc::unsupported_filesystem;  // nobody can have the mark of a new owner
  require(ec);
  owner_ = id;
  return id;
}

death_check store::death() const {
  return [this](std::int64_t id) {
    return id != owner_ && !platform::is_byte_locked(live_.get(), static_cast<std::uint64_t>(id));
  };
}

void store::wake_others() noexcept {
  std::error_code ignored;
  const std::byte any{1};
  platform::pwrite_some(wake_.get(), std::span(&any, 1), 0, ignored);
}

/// Rule 2. A reader can keep the log from being shortened; then the next turn tries again.
void store::checkpoint() noexcept {
  const int pages = db_.log_pages();
  if (pages < pages_before_checkpoint) return;
  db_.be_patient_until(deadline());
  const int mode = pages < pages_before_truncation ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE;
  sqlite3_wal_checkpoint_v2(db_.get(), nullptr, mode, nullptr, nullptr);
}

store::transaction::transaction(store& s, deadline until)
    : store_(s), turn_(s.gate_, std::defer_lock), use_(s.use_, std::defer_lock), owner_before_(s.owner_) {
  store_.check_process();
  std::error_code ec;
  if (!store_.gate_.try_lock_until(until, ec) && !ec) ec = errc::timed_out;
  require(ec);
  turn_ = std::unique_lock(store_.gate_, std::adopt_lock);
  use_.lock();
  store_.check_identity();
  store_.db_.be_patient_until(until);
  owner_before_ = store_.owner_;
  store_.db_.prepare("BEGIN IMMEDIATE").run();
  open_ = true;
}

void store::transaction::commit() {
  store_.db_.prepare("COMMIT").run();
  open_ = false;
  store_.checkpoint();
}

store::transaction::~transaction() {
  if (!open_) return;
  // A full disk rolls back by itself; then there is nothing left to roll back.
  if (sqlite3_get_autocommit(store_.db_.get()) == 0) {
    sqlite3_exec(store_.db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  const std::int64_t made = store_.owner_.exchange(owner_before_);
  if (made != owner_before_) platform::unlock_byte(store_.live_.get(), static_cast<std::uint64_t>(made));
}

}  // namespace lockkit::detail
