#include "store.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "claim_time.hpp"
#include "platform/fault.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"

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
  constexpr int most_links = 40;                 // as the kernel
  for (int i = 0; !ec && i < most_links; ++i) {  // a link to what is still to be made is left as it is
    std::error_code no_link;
    const std::string target = platform::read_link(AT_FDCWD, resolved.c_str(), no_link);
    if (no_link) break;
    resolved = fs::weakly_canonical(resolved.parent_path() / target, ec);
  }
  require(ec);
  return resolved;
}

fs::path beside(const fs::path& database, const char* suffix) {
  fs::path path = database;
  return path += suffix;
}

/// Refuses what SQLite would open and then fail on, or serve badly.
std::string usable(const fs::path& database) {
  std::error_code ec;
  const fs::path folder = database.parent_path();
  const platform::unique_fd fd = platform::open_at(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  require(ec);
  if (platform::filesystem_of(fd.get(), ec) == platform::filesystem_kind::remote && !ec) {
    ec = errc::unsupported_filesystem;
  }
  require(ec);
  platform::check_access(AT_FDCWD, folder.c_str(), ec);
  require(ec);
  platform::check_access(AT_FDCWD, database.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) return database.native();
  require(ec);
  const platform::inode_facts found = platform::facts_at(AT_FDCWD, database.c_str(), ec);
  require(ec);
  if (found.links > 1) {  // SQLite would keep a log for each name, and each would have a gate
    throw sqlite_failure{errc::invalid_name, "the file has other names (hard links)"};
  }
  return database.native();
}

std::string name_of(const platform::inode_facts& file) {
  return fmt::format("{:x}:{}", file.device, file.inode);
}

constexpr std::chrono::seconds opening_patience{60};
constexpr std::chrono::milliseconds patience_for_turn{20};
constexpr int pages_before_checkpoint = 1000;
constexpr int pages_before_truncation = 8000;

}  // namespace

store::store(const fs::path& database, claim_store_options options)
    : path_(resolve(database)),
      live_path_(beside(path_, "-live").native()),
      options_(std::move(options)),
      generation_(platform::process_generation()),
      opened_(std::make_unique<connection>(usable(path_))),
      db_(*opened_),
      gate_(beside(path_, "-gate")),
      next_checkpoint_(pages_before_checkpoint) {
  db_.be_patient_until(deadline::after(opening_patience));
  check_version(db_);  // before a file is made beside somebody else's database
  std::error_code ec;
  if (!gate_.try_lock_until(deadline::after(opening_patience), ec) && !ec) ec = errc::timed_out;
  require(ec);
  const std::unique_lock turn(gate_, std::adopt_lock);
  check_version(db_);
  configure(db_);
  open_files();
  prepare_schema(db_, look_around(), [this] { return platform::is_any_byte_locked(live_.get()); });
  synchronize(db_, options_.durable ? sync_mode::full : sync_mode::normal);
}

store::~store() {
  if (keeps_mark_) (void)live_.release();
  if (!is_own_process()) db_.abandon();  // rule 8
}

void store::open_files() {
  std::error_code ec;
  live_ = platform::open_at(AT_FDCWD, live_path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0666, ec);
  require(ec);
  marks_ = platform::facts(live_.get(), ec);
  require(ec);
  database_ = platform::facts_at(AT_FDCWD, path_.c_str(), ec);
  if (!ec && db_.has_moved()) ec = errc::database_replaced;  // while it was opened
  require(ec);
}

surroundings store::look_around() const {
  std::error_code ignored;  // a kernel without time namespaces has one clock
  const std::string& boot = current_process().boot_id;
  if (boot.find_first_not_of('0') ==
      std::string::npos) {  // it would be taken for another boot, and all who live for dead
    throw sqlite_failure{std::make_error_code(std::errc::function_not_supported), "/proc can't be read"};
  }
  return {.boot_id = boot,
          .clock = platform::read_link(AT_FDCWD, "/proc/self/ns/time", ignored),
          .database = name_of(database_),
          .marks = name_of(marks_)};
}

bool store::is_own_process() const noexcept {
  return generation_ == platform::process_generation();
}

void store::check_process() const {
  if (!is_own_process()) throw sqlite_failure{std::make_error_code(std::errc::operation_not_permitted)};
}

void store::check_files() const {
  std::error_code ec;
  const auto is_same = [&](const char* path, const platform::inode_facts& opened) {
    const platform::inode_facts named = platform::facts_at(AT_FDCWD, path, ec);
    return !ec && platform::same_inode(named, opened);
  };
  if (!is_same(path_.c_str(), database_)) throw sqlite_failure{errc::database_replaced};
  if (!is_same(live_path_.c_str(), marks_)) throw sqlite_failure{errc::database_replaced, "its file '-live'"};
}

void store::at_next_write(std::function<void(connection&)> body) noexcept try {
  const std::lock_guard hold(use_);
  leftovers_.push_back(std::move(body));
} catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): then it goes with this process
}

owner store::self() const {
  owner found = current_process();
  found.label = options_.label;
  return found;
}

std::int64_t store::owner_id(connection& db) {
  if (owner_ != 0) return owner_;
  const std::int64_t id = add_owner(db, self(), death());
  std::error_code ec;
  const bool is_marked = platform::try_lock_byte(live_.get(), static_cast<std::uint64_t>(id), ec);  // rule 4
  if (!is_marked && !ec) ec = errc::database_damaged;  // an older copy of it: somebody has that number already
  require(ec);
  owner_ = id;
  return id;
}

life_mark store::job_owner(connection& db) {
  std::error_code ec;
  life_mark mark;
  mark.fd = platform::reopen(live_.get(), O_RDWR, ec);
  require(ec);
  mark.owner_id = add_owner(db, self(), death());
  if (!platform::try_lock_byte(mark.fd.get(), static_cast<std::uint64_t>(mark.owner_id), ec) && !ec) {
    ec = errc::database_damaged;
  }
  require(ec);
  job_made_ = mark.owner_id;
  job_made_fd_ = mark.fd.get();
  return mark;
}

death_check store::death() const {
  return [this](std::int64_t id) {
    return id != owner_ && !platform::is_byte_locked(live_.get(), static_cast<std::uint64_t>(id));
  };
}

void store::wake_others() noexcept {
  std::error_code ignored;
  const std::byte any{1};
  platform::pwrite_some(live_.get(), std::span(&any, 1), 0, ignored);
}

std::unique_ptr<platform::path_watch> store::borrow_watch(std::error_code& ec) {
  ec.clear();
  {
    const std::lock_guard hold(use_);
    if (!watches_.empty()) {
      auto watch = std::move(watches_.back());
      watches_.pop_back();
      return watch;
    }
  }
  return std::make_unique<platform::path_watch>(live_path_.c_str(), ec, platform::watched::content);
}

void store::give_back(std::unique_ptr<platform::path_watch> watch) noexcept try {
  const std::lock_guard hold(use_);
  watches_.push_back(std::move(watch));
} catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): then it is closed
}

/// Rule 3. A reader can keep the log from being reset; it is tried again when the log has grown as much again.
void store::checkpoint() noexcept {
  const int pages = db_.log_pages();
  if (pages < pages_before_checkpoint) next_checkpoint_ = pages_before_checkpoint;
  if (pages < next_checkpoint_) return;
  next_checkpoint_ = pages + pages_before_checkpoint;
  db_.be_patient_until(deadline());
  const int mode = pages < pages_before_truncation ? SQLITE_CHECKPOINT_FULL : SQLITE_CHECKPOINT_TRUNCATE;
  sqlite3_wal_checkpoint_v2(db_.get(), nullptr, mode, nullptr, nullptr);
}

bool store::take_turn(deadline until) {
  std::error_code ec;
  let_the_hurried_go_first(until);
  bool taken = gate_.try_lock_until(earlier(until, deadline::after(patience_for_turn)), ec);
  if (!taken && !ec && !until.expired()) {
    std::error_code unmarked;  // then it waits as before
    platform::set_presence(live_.get(), unmarked);
    taken = gate_.try_lock_until(until, ec);
    platform::clear_presence(live_.get());
  }
  require(ec);
  return taken;
}

/// Not for longer than they have waited themselves; and if that was in vain (who is in a hurry has been stopped), not
/// again for some time.
void store::let_the_hurried_go_first(deadline until) {
  if (!platform::others_present(live_.get()) || monotonic_ms() - hurry_seen_in_vain_ < 1000) return;
  const deadline patience = earlier(until, deadline::after(patience_for_turn));
  while (platform::others_present(live_.get())) {
    if (patience.expired()) {
      hurry_seen_in_vain_ = monotonic_ms();
      return;
    }
    sleep_until(deadline::after(std::chrono::microseconds(200)));
  }
}

store::transaction::transaction(store& s, deadline until, sync_mode mode)
    : store_(s), turn_(s.gate_, std::defer_lock), use_(s.use_, std::defer_lock) {
  store_.check_process();
  if (!store_.take_turn(until)) throw sqlite_failure{errc::timed_out};
  turn_ = std::unique_lock(store_.gate_, std::adopt_lock);
  platform::fault::point("claims.turn");
  begin(until, mode);
  try {
    store_.check_files();
    for (const auto& body : store_.leftovers_) body(store_.db_);
  } catch (...) {
    roll_back();
    throw;
  }
}

/// Rule 2.
void store::transaction::begin(deadline until, sync_mode mode) {
  for (;;) {
    use_.lock();
    is_raised_ = mode == sync_mode::full && !store_.options_.durable;
    if (is_raised_) synchronize(store_.db_, sync_mode::full);
    store_.db_.be_patient_until(deadline());
    owner_before_ = store_.owner_;
    store_.job_made_ = 0;
    is_open_ = store_.db_.prepare("BEGIN IMMEDIATE").try_run();
    if (is_open_) return;
    lower();
    use_.unlock();
    if (until.expired()) throw sqlite_failure{errc::timed_out};
    sleep_until(earlier(until, deadline::after(std::chrono::milliseconds(1))));
  }
}

void store::transaction::lower() noexcept {
  if (!std::exchange(is_raised_, false)) return;
  sqlite3_exec(store_.db_.get(), "PRAGMA synchronous = NORMAL", nullptr, nullptr, nullptr);
}

void store::transaction::commit() {
  try {
    store_.db_.prepare("COMMIT").run();
    if (const int error = platform::fault::before("commit"); error != 0) {  // as if the answer had been lost
      throw sqlite_failure{std::error_code(error, std::system_category())};
    }
  } catch (sqlite_failure& failure) {
    failure.is_in_doubt = true;
    throw;
  }
  is_open_ = false;
  lower();
  store_.leftovers_.clear();
  store_.checkpoint();
}

void store::transaction::roll_back() noexcept {
  if (!std::exchange(is_open_, false)) return;
  // A full disk rolls back by itself; then there is nothing left to roll back.
  if (sqlite3_get_autocommit(store_.db_.get()) == 0) {
    sqlite3_exec(store_.db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  lower();
  forget_owners();
}

/// While it is still our turn: the next who writes is given the same numbers, and must find their bytes free.
void store::transaction::forget_owners() noexcept {
  if (const std::int64_t job = store_.job_made_; job != 0 && !store_.is_known(job, true)) {
    platform::unlock_byte(store_.job_made_fd_, static_cast<std::uint64_t>(job));
  }
  const std::int64_t made = store_.owner_;
  if (made == owner_before_ || store_.is_known(made, false)) return;
  store_.owner_ = owner_before_;
  platform::unlock_byte(store_.live_.get(), static_cast<std::uint64_t>(made));
}

store::transaction::~transaction() {
  roll_back();
}

/// After a COMMIT that reported a failure: whether it made the owner's row all the same (rule 5).
bool store::is_known(std::int64_t owner_id, bool in_doubt) noexcept try {
  statement query = db_.prepare("SELECT 1 FROM owner WHERE id = ?");
  return query.bind(owner_id).step();
} catch (const sqlite_failure&) {
  return in_doubt;
}

}  // namespace lockkit::detail
