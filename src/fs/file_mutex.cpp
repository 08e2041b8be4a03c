/// The mutex on a file that stays.
///
/// 1. Open it as a lock_file opens its guard; a file with content that is not lockkit's is refused, untouched.
/// 2. Take the kernel's lock, shared or exclusive, with the caller's deadline (kernel_lock.hpp).
/// 3. Then compare the name with the inode: the file may have been deleted or replaced while we waited, and newcomers
///    would lock another one. If it is not the same: unlock, wake, start again at 1.
/// 4. An exclusive holder writes its record, for those who wait and for the token; only over a record or over nothing:
///    somebody may have put data there since rule 1. Sharers write nothing: there may be many.
/// 5. Release unlocks and wakes; the file stays. A forked child owns nothing, as in lock_file.
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

  [[nodiscard]] bool acquire(lock_mode mode, deadline until, std::stop_token stop, std::error_code& ec);
  void acquire_or_throw(lock_mode mode);
  void release() noexcept;
  [[nodiscard]] bool is_held() const noexcept { return held_ && process_.is_ours(); }
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
  void start_anew_after_fork() noexcept;
  void notify();
  [[nodiscard]] bool acquire_in_gate(lock_mode mode, wait_terms& terms, std::error_code& ec);
  void open(std::error_code& ec);
  [[nodiscard]] bool is_named() const noexcept;
  void stamp(std::error_code& ec);

  detail::object_gate gate_;
  detail::guard guard_;
  detail::owner_stamp stamp_;
  std::shared_ptr<detail::hold_note> note_;
  detail::process_mark process_;
  std::atomic<bool> held_{false};
};

void file_mutex::impl::start_anew_after_fork() noexcept {
  process_.renew([this] {
    held_ = false;
    guard_.close();
    gate_.reset();
  });
}

void file_mutex::impl::notify() {
  if (!options.on_wait) return;
  bool foreign = false;
  const owner holder = detail::find_mutex_holder(path.c_str(), foreign);
  options.on_wait({path, holder, foreign});
}

bool file_mutex::impl::acquire(lock_mode mode, deadline until, std::stop_token stop, std::error_code& ec) {
  ec = name_error;
  if (ec) return false;
  start_anew_after_fork();
  wait_terms terms(until, std::move(stop));
  terms.notice = [this] { notify(); };
  if (!gate_.enter(terms, ec)) return false;
  bool acquired = false;
  try {
    acquired = acquire_in_gate(mode, terms, ec);
  } catch (...) {
    gate_.leave();
    throw;
  }
  // Release order: the default one costs a locked instruction, and nobody compares this with anything else.
  held_.store(acquired, std::memory_order_release);
  if (!acquired) gate_.leave();
  return acquired;
}

/// Rule 1.
void file_mutex::impl::open(std::error_code& ec) {
  guard_.open(path, options, ec);
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
    if (ec || !guard_.acquire(mode, terms, ec)) {
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

void file_mutex::impl::release() noexcept {
  if (!is_held() || !held_.exchange(false)) return;
  token.store(0, std::memory_order_release);
  if (note_) note_->held.store(false, std::memory_order_release);
  guard_.release();
  gate_.leave();
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

bool file_mutex::try_lock_until(deadline until, std::stop_token stop, std::error_code& ec) {
  return impl_->acquire(lock_mode::exclusive, until, std::move(stop), ec);
}

bool file_mutex::try_lock_shared_until(deadline until, std::stop_token stop, std::error_code& ec) {
  return impl_->acquire(lock_mode::shared, until, std::move(stop), ec);
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
