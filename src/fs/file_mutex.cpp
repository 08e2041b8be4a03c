/// The mutex on a file that stays.
///
/// 1. Open it as a lock_file opens its guard; a file with content that is not lockkit's is refused, untouched.
/// 2. Take the kernel's lock, shared or exclusive, with the caller's deadline (kernel_lock.hpp).
/// 3. Then compare the name with the inode: the file may have been deleted or replaced while we waited, and newcomers
///    would lock another one. If it is not the same: unlock, wake, start again at 1.
/// 4. An exclusive holder writes its record, for those who wait and for the token; only over a record or over nothing:
///    somebody may have put data there since rule 1. Sharers write nothing: there may be many.
/// 5. Release unlocks and wakes; the file stays. A forked child owns nothing, as in lock_file.
/// 6. A change of mode (kernel_lock.hpp) is made by one thread, while a release by another waits: it would unlock what is
///    in neither mode. An upgrade is an acquisition: rules 3 and 4 hold for it, and if the record can't be written it goes
///    back to sharing.
#include <lockkit/file_mutex.hpp>

#include <errno.h>
#include <fcntl.h>

#include "core/throw_error.hpp"
#include "guard.hpp"
#include "kernel_holders.hpp"
#include "lock_names.hpp"
#include "object_gate.hpp"
#include "platform/fault.hpp"
#include "platform/process.hpp"

namespace lockkit::inline v0 {

using detail::wait_terms;
using platform::lock_mode;

struct file_mutex::impl {
  impl(const std::filesystem::path& given_path, lock_options given)
      : path(detail::name_mutex(given_path, name_error)),
        options(std::move(given)),
        stamp_(options.label, detail::record_kind::mutex) {}

  [[nodiscard]] bool acquire(lock_mode mode, deadline until, cancellation cancel, std::error_code& ec);
  void acquire_or_throw(lock_mode mode);
  void release() noexcept;
  void downgrade(std::error_code& ec);
  [[nodiscard]] bool try_upgrade(std::error_code& ec);
  [[nodiscard]] bool is_held() const noexcept { return held_ != hold::none && process_.is_ours(); }
  /// The object was moved, perhaps to another thread: who would wait for whom is no longer known.
  void forget_thread() noexcept {
    if (note_) note_->held = false;
    gate_.forget_thread();
  }

  std::error_code name_error;
  std::filesystem::path path;
  lock_options options;
  std::atomic<std::uint64_t> token{0};

 private:
  enum class hold : std::uint8_t { none, exclusive, shared, changing };

  void start_anew_after_fork() noexcept;
  void tell_through(wait_terms& terms);
  [[nodiscard]] bool begin_change(hold from, std::error_code& ec) noexcept;
  void end_change(hold to) noexcept;
  void upgrade(std::error_code& ec);
  [[nodiscard]] bool acquire_in_gate(lock_mode mode, wait_terms& terms, std::error_code& ec);
  void open(std::error_code& ec);
  [[nodiscard]] bool is_named() const noexcept;
  void stamp(std::error_code& ec);

  detail::object_gate gate_;
  detail::guard guard_;
  detail::owner_stamp stamp_;
  std::shared_ptr<detail::hold_note> note_;
  detail::process_mark process_;
  std::atomic<hold> held_{hold::none};
};

void file_mutex::impl::start_anew_after_fork() noexcept {
  process_.renew([this] {
    held_ = hold::none;
    guard_.close();
    gate_.reset();
  });
}

/// What the caller wants to be told of the wait.
void file_mutex::impl::tell_through(wait_terms& terms) {
  const auto telling = [this](const std::function<void(const wait_notice&)>& call) -> wait_terms::notice_function {
    if (!call) return {};
    return [this, &call](std::chrono::nanoseconds in_the_way) {
      bool foreign = false;
      const owner holder = detail::find_mutex_holder(path.c_str(), foreign);
      call({path, holder, foreign, in_the_way});
    };
  };
  const age_warning& aged = options.on_held_longer_than;
  terms.tell(telling(options.on_wait), aged.after, telling(aged.call));
}

bool file_mutex::impl::acquire(lock_mode mode, deadline until, cancellation cancel, std::error_code& ec) {
  ec = name_error;
  if (ec) return false;
  start_anew_after_fork();
  wait_terms terms(until, std::move(cancel));
  terms.check(ec);
  if (ec) return false;
  tell_through(terms);
  bool acquired = gate_.enter(terms, ec);
  if (!ec) ec = terms.failure();
  if (!acquired) return false;
  try {
    acquired = acquire_in_gate(mode, terms, ec);
  } catch (...) {
    gate_.leave();
    throw;
  }
  // Release order: the default one costs a locked instruction, and nobody compares this with anything else.
  if (acquired) held_.store(mode == lock_mode::shared ? hold::shared : hold::exclusive, std::memory_order_release);
  if (acquired) return true;
  gate_.leave();
  if (!ec) ec = terms.failure();
  return false;
}

/// Rule 1.
void file_mutex::impl::open(std::error_code& ec) {
  guard_.open(path, options, ec, true);
  if (ec || guard_.facts().size == 0) return;
  const detail::record_view found = detail::read_record(guard_.fd(), ec);
  if (!ec && !detail::has_record_mark(found.text()) && !detail::is_blank(found.text())) ec = errc::not_a_lock_file;
}

bool file_mutex::impl::is_named() const noexcept {
  std::error_code ec;
  const platform::inode_facts named = platform::facts_at(AT_FDCWD, path.c_str(), ec);
  return !ec && platform::same_inode(named, guard_.facts());
}

bool file_mutex::impl::acquire_in_gate(lock_mode mode, wait_terms& terms, std::error_code& ec) {
  for (;;) {
    if (!guard_.is_open()) open(ec);
    const platform::inode_facts& inode = guard_.facts();
    if (!ec && terms.until().is_never() && detail::would_wait_for_itself(inode.device, inode.inode, mode)) {
      ec = errc::would_deadlock;
      return false;
    }
    const bool shares = !ec && mode == lock_mode::shared && detail::shares_already(inode.device, inode.inode);
    if (ec || !guard_.acquire(mode, terms, ec, shares)) {
      if (ec) guard_.close();
      if (ec.value() == ESTALE && !terms.over()) continue;  // vanished on its server
      return false;
    }
    platform::fault::point("file_mutex.locked");
    if (is_named()) break;
    guard_.release();
    guard_.close();
  }
  if (mode == lock_mode::exclusive) stamp(ec);
  if (!ec) detail::note_hold(note_, guard_.facts().device, guard_.facts().inode, mode);
  return !ec;
}

/// Rule 4. Locked; on failure not any more.
void file_mutex::impl::stamp(std::error_code& ec) {
  try {
    token = stamp_.write(guard_.fd(), ec).value;
  } catch (...) {
    guard_.release();
    throw;
  }
  if (!ec) return;
  token = 0;
  guard_.release();
  guard_.close();
}

void file_mutex::impl::acquire_or_throw(lock_mode mode) {
  const deadline until = deadline::after(options.timeout);
  const bool acquired =
      detail::throwing("lock", path, [&](std::error_code& ec) { return acquire(mode, until, {}, ec); });
  if (acquired) return;
  bool foreign = false;
  owner holder = detail::find_mutex_holder(path.c_str(), foreign);
  throw lock_timeout(path, std::move(holder), detail::time_waited(until, options.timeout), foreign);
}

/// Rule 6: not in the middle of a change.
void file_mutex::impl::release() noexcept {
  if (!is_held()) return;
  hold seen = held_;
  while (seen == hold::changing || (seen != hold::none && !held_.compare_exchange_weak(seen, hold::none))) {
    std::this_thread::yield();
    seen = held_;
  }
  if (seen == hold::none) return;
  token.store(0, std::memory_order_release);
  if (note_) note_->held.store(false, std::memory_order_release);
  guard_.release();
  gate_.leave();
}

bool file_mutex::impl::begin_change(hold from, std::error_code& ec) noexcept {
  ec.clear();
  hold seen = from;
  if (!process_.is_ours() || !held_.compare_exchange_strong(seen, hold::changing)) ec = errc::not_held;
  return !ec;
}

/// Whatever is held now, or none: then the gate is left, too.
void file_mutex::impl::end_change(hold to) noexcept {
  token.store(to == hold::exclusive ? token.load() : 0);
  if (note_) note_->shared = to == hold::shared;
  if (note_ && to == hold::none) note_->held = false;
  held_ = to;
  if (to == hold::none) gate_.leave();
}

void file_mutex::impl::downgrade(std::error_code& ec) {
  if (!begin_change(hold::exclusive, ec)) return;
  guard_.downgrade(deadline::after(options.timeout), ec);
  end_change(!ec ? hold::shared : ec == errc::lock_lost ? hold::none : hold::exclusive);
}

bool file_mutex::impl::try_upgrade(std::error_code& ec) {
  if (!begin_change(hold::shared, ec)) return false;
  const bool upgraded = guard_.try_upgrade(deadline::after(options.timeout), ec);
  if (upgraded) upgrade(ec);
  end_change(ec == errc::lock_lost ? hold::none : upgraded && !ec ? hold::exclusive : hold::shared);
  return upgraded && !ec;
}

/// Rule 6, in possession of the exclusive lock.
void file_mutex::impl::upgrade(std::error_code& ec) try {
  if (!is_named()) {
    guard_.release();
    guard_.close();
    ec = errc::lock_lost;
    return;
  }
  token = stamp_.write(guard_.fd(), ec).value;
  if (!ec) return;
  std::error_code lost;
  guard_.downgrade(deadline::after(options.timeout), lost);
  if (lost == errc::lock_lost) ec = lost;
} catch (const std::bad_alloc&) {
  guard_.release();
  ec = errc::lock_lost;
}

file_mutex::file_mutex(const std::filesystem::path& path, lock_options options)
    : impl_(std::make_unique<impl>(path, std::move(options))) {}

file_mutex::~file_mutex() {
  if (impl_) impl_->release();
}

file_mutex::file_mutex(file_mutex&& other) noexcept : impl_(std::move(other.impl_)) {
  if (impl_) impl_->forget_thread();
}

file_mutex& file_mutex::operator=(file_mutex&& other) noexcept {
  file_mutex(std::move(other)).impl_.swap(impl_);
  return *this;
}

bool file_mutex::try_lock_until(deadline until, cancellation cancel, std::error_code& ec) {
  return impl_->acquire(lock_mode::exclusive, until, std::move(cancel), ec);
}

bool file_mutex::try_lock_shared_until(deadline until, cancellation cancel, std::error_code& ec) {
  return impl_->acquire(lock_mode::shared, until, std::move(cancel), ec);
}

bool file_mutex::try_lock_until(deadline until, std::error_code& ec) {
  return try_lock_until(until, {}, ec);
}

bool file_mutex::try_lock_shared_until(deadline until, std::error_code& ec) {
  return try_lock_shared_until(until, {}, ec);
}

bool file_mutex::try_lock_until(deadline until) {
  return detail::throwing("lock", path(), [&](std::error_code& ec) { return try_lock_until(until, ec); });
}

bool file_mutex::try_lock_shared_until(deadline until) {
  return detail::throwing("lock", path(), [&](std::error_code& ec) { return try_lock_shared_until(until, ec); });
}

bool file_mutex::try_lock(std::error_code& ec) {
  return try_lock_until(deadline(), ec);
}

bool file_mutex::try_lock() {
  return try_lock_until(deadline());
}

bool file_mutex::try_lock_shared(std::error_code& ec) {
  return try_lock_shared_until(deadline(), ec);
}

bool file_mutex::try_lock_shared() {
  return try_lock_shared_until(deadline());
}

void file_mutex::lock() {
  impl_->acquire_or_throw(lock_mode::exclusive);
}

void file_mutex::lock_shared() {
  impl_->acquire_or_throw(lock_mode::shared);
}

void file_mutex::downgrade(std::error_code& ec) {
  impl_->downgrade(ec);
}

void file_mutex::downgrade() {
  detail::throwing("downgrade", path(), [&](std::error_code& ec) { downgrade(ec); });
}

bool file_mutex::try_upgrade(std::error_code& ec) {
  return impl_->try_upgrade(ec);
}

bool file_mutex::try_upgrade() {
  return detail::throwing("upgrade", path(), [&](std::error_code& ec) { return try_upgrade(ec); });
}

void file_mutex::unlock() noexcept {
  if (impl_) impl_->release();
}

bool file_mutex::owns_lock() const noexcept {
  return impl_ && impl_->is_held();
}

fencing_token file_mutex::token() const noexcept {
  return {owns_lock() ? impl_->token.load() : 0};
}

fencing_token file_mutex::latest_token(std::error_code& ec) const {
  const platform::unique_fd fd =
      platform::open_at(AT_FDCWD, impl_->path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || !fd) return {};
  // The record may be rewritten while it is read: two equal readings in a row are not torn.
  std::uint64_t last = detail::record_fence(detail::read_record(fd.get(), ec).text());
  for (;;) {
    const std::uint64_t again = detail::record_fence(detail::read_record(fd.get(), ec).text());
    if (ec || again == last) return fencing_token{ec ? 0 : again};
    last = again;
  }
}

const std::filesystem::path& file_mutex::path() const noexcept {
  return impl_->path;
}

}  // namespace lockkit::inline v0
