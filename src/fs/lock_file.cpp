/// The lock file protocol: P, the public name, is a hard link of G, a hidden guard that the kernel's lock is taken on.
///
///  1. Open G (lock_inode.hpp): an existing file without O_CREAT, a missing one with O_EXCL.
///  2. Check it: a regular file that has one name, or two of which one is P, or that carries lockkit's mark. Somebody's
///     data may have been linked to that name, and rule 3 writes into it.
///  3. Take the kernel's lock on G, with the caller's deadline (kernel_lock.hpp), then write the whole record: before P
///     can be seen, so that P never stands without a valid record; whole, so that damage by others heals.
///  4. Plant: link G's descriptor to P. EEXIST is exclusive creation's. By descriptor, not by name: G can't be swapped in
///     between. ENOENT while G has no name left: it was unlinked; start again at 1 with the G that stands there now.
///  5. P exists and is G's inode: a crashed predecessor's. Only the holder of G's lock makes that link, and an open
///     descriptor keeps the inode's number from being reused: P is ours already.
///  6. Where linking is refused, or the link could never be removed again (another user's G in a sticky directory):
///     plant a file of our own, which is locked and complete before RENAME_NOREPLACE gives it the name P. Where that
///     does not exist either: O_CREAT|O_EXCL on P, then lock and record. A crash between these leaves an empty P, which
///     counts as held until a person removes it: it fails closed.
///  7. P is another inode with a lockkit record (G was deleted, a crashed plant by rule 6): lock that inode, compare it
///     with the name, then unlink it and plant again. Lock, comparison and record each carry weight (plant.cpp).
///  8. P is anything else: a script's or another library's lock. Keep G's lock, so that others queue up behind it; wait
///     for P to change; try again. Never broken, unless the caller chose to reclaim what dead scripts leave and it is that
///     (dead_script.hpp): then as in rule 7, with its judgement in the record's place. The caller's notice comes before
///     that queue is formed: it may block.
///  9. A forked child shares G's description and so its kernel lock: it must not use it. It closes and opens anew.
/// 10. Release: only if P is still ours, unlink it, then unlock G, then wake one waiter. Unlocking first would let the
///     next holder plant a P that we then delete; not comparing would delete a file that somebody put there.
///     Every failure after rule 3 unlocks and wakes likewise.
/// 11. verify: held if G is still named by its name and P is ours. P gone: link it again; nobody of lockkit can have
///     entered, since G's lock is held. G or P replaced: lost. It removes nothing.
/// 12. keep_out::everyone: before P is planted, also lock G's content by a record lock of our description, which keeps out
///     POSIX's record locks on the inode that P names; all of it but the marks of presence, since who asks for the whole
///     file asks for all of it. Before, because afterwards P could be opened and locked first. Somebody has it already:
///     he opened P during an earlier hold, and since G stays, his lock is on the inode that P will name again. Let go of
///     G's lock and nap. Not as in rule 8: others of lockkit do not respect him, and if they queued up here, their marks
///     of presence would refuse him what he may be waiting for while he keeps us (a shared lock made exclusive): a circle.
///     A file of our own (rule 6) is locked likewise before it gets the name; by O_EXCL that can't be, so not at all.
/// 13. ephemeral_guard: whoever has G's lock and is about to let go of it removes G's name, if nobody has marked that he
///     waits, and G has that one name. After P, so that P never stands without a G that it is a link of; before unlocking,
///     since only the lock's holder may. Somebody who opened G before and locks it afterwards starts again by rule 4, and
///     by rule 6 looks for it, since no link would fail there. With waiters it stays: they would all start again. On a
///     server's filesystem waiters leave no mark, and a removed G keeps a name there; with rule 12 it has to stay.
///     Who gives up without having had the lock removes it as well, or a mere try would leave it.
#include <lockkit/lock_file.hpp>

#include <errno.h>
#include <fcntl.h>

#include "core/throw_error.hpp"
#include "kernel_holders.hpp"
#include "lock_file_impl.hpp"
#include "platform/fault.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "platform/watch.hpp"

namespace lockkit::inline v0 {

using detail::plant_state;
using detail::wait_terms;
using platform::lock_mode;

namespace {

/// The guard vanished on its server: it is opened anew.
bool is_stale(const std::error_code& ec) noexcept {
  return ec.value() == ESTALE && ec.category() == std::system_category();
}

}  // namespace

lock_file::impl::impl(const std::filesystem::path& path, lock_options given)
    : names(detail::name_lock(path, name_error)),
      options(std::move(given)),
      stamp_(options.label, detail::record_kind::lock_file) {}

void lock_file::impl::start_anew_after_fork() noexcept {
  process_.renew([this] {
    held_ = false;
    planted_.forget();
    content_locked_ = false;
    guard_.close();
    names_gate_.reset();
    gate_.reset();
  });
}

bool lock_file::impl::is_held() const noexcept {
  return held_ && process_.is_ours();
}

bool lock_file::impl::acquire(wait_terms& terms, std::error_code& ec) {
  ec = name_error;
  if (ec) return false;
  start_anew_after_fork();
  terms.check(ec);
  if (ec) return false;
  tell_through(terms);
  bool acquired = gate_.enter(terms, ec);
  if (!ec) ec = terms.failure();
  if (!acquired) return false;
  try {
    acquired = acquire_in_gate(terms, ec);
  } catch (...) {
    gate_.leave();
    throw;
  }
  if (acquired) return true;
  gate_.leave();
  if (!ec) ec = terms.failure();
  return false;
}

/// What the caller wants to be told of the wait.
void lock_file::impl::tell_through(wait_terms& terms) {
  const auto telling = [this](const std::function<void(const wait_notice&)>& call) -> wait_terms::notice_function {
    if (!call) return {};
    return [this, &call](std::chrono::nanoseconds in_the_way) {
      bool foreign = false;
      const owner holder = find_holder(foreign);
      call({names.path, holder, foreign, in_the_way});
    };
  };
  const age_warning& aged = options.on_held_longer_than;
  terms.tell(telling(options.on_wait), aged.after, telling(aged.call));
}

bool lock_file::impl::acquire_in_gate(wait_terms& terms, std::error_code& ec) {
  for (;;) {
    if (!lock_guard(terms, ec)) {
      if (!starts_anew(terms, ec)) return false;
      continue;
    }
    if (!lock_content(ec)) {
      if (!wait_for_content(terms, ec)) return false;
      continue;
    }
    const plant_state state = plant_or_release(terms, ec);
    if (ec) {
      if (!starts_anew(terms, ec)) return false;
      continue;
    }
    if (state == plant_state::held) break;
    if (state == plant_state::restart) {
      guard_.close();
      continue;
    }
    if (terms.over()) return false;
    terms.begin();  // the caller's functions may block: not while others queue up behind the guard; then once more
    if (terms.must_warn()) terms.warn();
  }
  detail::note_hold(note_, guard_.facts().device, guard_.facts().inode, lock_mode::exclusive);
  // Release order: the default one costs a locked instruction, and nobody compares these with one another.
  lost_.store(false, std::memory_order_release);
  left_behind_.store(false, std::memory_order_release);
  held_.store(true, std::memory_order_release);
  return true;
}

/// Whether the guard vanished on its server, and there is time to begin with another one.
bool lock_file::impl::starts_anew(wait_terms& terms, const std::error_code& ec) noexcept {
  if (!is_stale(ec)) return false;
  guard_.close();
  return !terms.over();
}

/// Another program has a record lock on the content of the guard, which is ours but for that. False: the wait is over.
bool lock_file::impl::wait_for_content(wait_terms& terms, std::error_code& ec) {
  if (!ec && terms.counts_time()) terms.see(static_cast<std::uint64_t>(platform::content_locker(guard_.fd())));
  release_guard();
  if (ec || terms.over()) return false;
  terms.begin();
  if (terms.must_warn()) terms.warn();
  terms.nap(terms.slice(std::chrono::milliseconds(5)));
  return true;
}

/// Unlocks and wakes unless P is ours.
plant_state lock_file::impl::plant_or_release(wait_terms& terms, std::error_code& ec) {
  plant_state state = plant_state::foreign;
  try {
    state = plant_or_wait(terms, ec);
  } catch (...) {
    release_guard();
    throw;
  }
  if (state != plant_state::held || ec) release_guard();
  return state;
}

/// Rule 12. True at once if it was not asked for.
bool lock_file::impl::lock_content(std::error_code& ec) noexcept {
  if (options.excludes != keep_out::everyone) return true;
  if (!guard_.is_local()) {
    ec = errc::unsupported_filesystem;
    return false;
  }
  content_locked_ = detail::try_keep_out_records(guard_.fd(), ec);
  platform::fault::point("lock_file.content_locked");
  return content_locked_;
}

/// The end of every hold of the guard's lock.
void lock_file::impl::release_guard() noexcept {
  const bool removed = options.ephemeral_guard && remove_guard();
  if (content_locked_) platform::unlock_content(guard_.fd());
  content_locked_ = false;
  guard_.release();
  if (removed) guard_.close();
}

/// Rule 13.
bool lock_file::impl::remove_guard() noexcept {
  if (options.excludes == keep_out::everyone) return false;  // had or not: who is refused may let go at any moment
  if (!guard_.is_local() || platform::is_any_byte_locked(guard_.fd())) return false;
  platform::fault::point("lock_file.nobody_waits");
  std::error_code ec;
  const platform::inode_facts named = platform::facts_at(AT_FDCWD, names.guard.c_str(), ec);
  if (ec || !platform::same_inode(named, guard_.facts()) || named.links != 1) return false;
  platform::unlink_name(AT_FDCWD, names.guard.c_str(), ec);
  return !ec;
}

bool lock_file::impl::lock_guard(wait_terms& terms, std::error_code& ec) {
  if (!guard_.is_open()) {
    guard_.open(names.guard, options, ec);
    if (!ec) check_guard(ec);
    if (ec) {
      guard_.close();
      return false;
    }
  }
  const platform::inode_facts& inode = guard_.facts();
  if (terms.until().is_never() && detail::would_wait_for_itself(inode.device, inode.inode, lock_mode::exclusive)) {
    ec = errc::would_deadlock;
    return false;
  }
  return guard_.acquire(lock_mode::exclusive, terms, ec);
}

/// Rule 2.
void lock_file::impl::check_guard(std::error_code& ec) noexcept {
  platform::inode_facts found = guard_.facts();
  if (found.links <= 1) return;
  std::error_code ignored;
  const platform::inode_facts planted = platform::facts_at(AT_FDCWD, names.path.c_str(), ignored);
  if (!ignored && found.links == 2 && platform::same_inode(found, planted)) return;
  if (detail::has_record_mark(detail::read_record(guard_.fd(), ec).text()) || ec) return;
  found = platform::facts(guard_.fd(), ec);  // its holder may have released meanwhile
  if (!ec && found.links > 1) ec = errc::not_a_lock_file;
}

/// Rule 2 at rule 3, for a content that is not lockkit's: names first, then which. A file of one name that is G's is ours to
/// heal. One that G does not lead to any more may be somebody's data whose link G was when we opened it.
bool lock_file::impl::is_nobody_elses(std::error_code& ec) noexcept {
  const platform::inode_facts found = platform::facts(guard_.fd(), ec);
  if (ec) return false;
  std::error_code absent;
  const platform::inode_facts named = platform::facts_at(AT_FDCWD, names.guard.c_str(), absent);
  if (absent || !platform::same_inode(named, found)) return false;
  if (found.links == 1) return true;
  const platform::inode_facts planted = platform::facts_at(AT_FDCWD, names.path.c_str(), absent);
  if (found.links == 2 && !absent && platform::same_inode(planted, found)) return true;
  ec = errc::not_a_lock_file;
  return false;
}

/// Rule 3. False with a clear code: G is another file by now.
bool lock_file::impl::stamp_guard(std::error_code& ec) {
  fencing_token token = stamp_.write(guard_.fd(), ec, platform::fault::is_broken("junk_is_checked"));
  if (ec == errc::not_a_lock_file) {
    if (!is_nobody_elses(ec)) return false;
    token = stamp_.write(guard_.fd(), ec, true);
  }
  token_.store(token.value, std::memory_order_release);
  return !ec;
}

plant_state lock_file::impl::try_plant(std::error_code& ec) {
  return planted_.plant(names, guard_, stamp_, options, method, ec);
}

plant_state lock_file::impl::plant_or_wait(wait_terms& terms, std::error_code& ec) {
  platform::fault::point("lock_file.guard_locked");
  if (!stamp_guard(ec)) return ec ? plant_state::held : plant_state::restart;
  platform::fault::point("lock_file.stamped");
  plant_state state = try_plant(ec);
  while (state == plant_state::foreign && !ec && terms.has_begun() && !terms.over()) {
    see_foreign(terms);
    if (terms.must_warn()) break;
    std::error_code unwatched;
    platform::path_watch watch(names.path.c_str(), unwatched);
    state = try_plant(ec);  // it may have gone before it was watched
    if (state != plant_state::foreign || ec) break;
    if (unwatched) {
      terms.nap(terms.slice(std::chrono::milliseconds(5)));
    } else {
      terms.sleep_at(watch);
    }
    state = try_plant(ec);
  }
  platform::fault::point("lock_file.planted");
  return state;
}

/// A script's file is known by its inode and the time of its last change.
void lock_file::impl::see_foreign(wait_terms& terms) const noexcept {
  if (!terms.counts_time()) return;
  std::error_code ec;
  const struct stat found = platform::status_at(AT_FDCWD, names.path.c_str(), ec);
  const auto changed = static_cast<std::uint64_t>(found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec);
  if (!ec) terms.see(changed ^ found.st_ino << 32U);
}

void lock_file::impl::release() noexcept {
  if (!is_held()) return;
  wait_terms always{deadline::never()};
  std::error_code ec;
  static_cast<void>(names_gate_.enter(always, ec));
  const bool mine = held_.exchange(false);  // of two threads that release, one does
  if (mine) {
    token_.store(0, std::memory_order_release);
    if (note_) note_->held.store(false, std::memory_order_release);
    if (platform::fault::is_broken("unlink_before_unlock")) guard_.release();
    const detail::removal removed = planted_.remove(names);
    if (removed == detail::removal::was_not_ours) lost_ = true;
    if (removed == detail::removal::refused) left_behind_ = true;
    platform::fault::point("lock_file.removed");
    release_guard();
  }
  names_gate_.leave();
  if (mine) gate_.leave();
}

verify_result lock_file::impl::verify(std::error_code& ec) {
  ec.clear();
  start_anew_after_fork();
  wait_terms always{deadline::never()};
  if (!names_gate_.enter(always, ec)) return verify_result::lost;
  verify_result result = verify_result::lost;
  if (is_held()) {
    result = look_and_restore(ec);
    if (result == verify_result::lost) lost_ = true;
  } else {
    ec = errc::not_held;
  }
  names_gate_.leave();
  return result;
}

/// Rule 11.
verify_result lock_file::impl::look_and_restore(std::error_code& ec) try {
  const platform::inode_facts guard_name = platform::facts_at(AT_FDCWD, names.guard.c_str(), ec);
  const bool guarded = !ec && platform::same_inode(guard_name, guard_.facts());
  ec.clear();
  bool absent = false;
  if (guarded && planted_.stands(names, absent)) return verify_result::held;
  if (guarded && absent && try_plant(ec) == plant_state::held && !ec) return verify_result::restored;
  return verify_result::lost;
} catch (const std::bad_alloc&) {
  ec = std::make_error_code(std::errc::not_enough_memory);
  return verify_result::lost;
}

void lock_file::impl::forget_thread() noexcept {
  if (note_) note_->held = false;
  gate_.forget_thread();
}

std::string lock_file::impl::explain(const std::error_code& ec) const {
  const bool about_files = ec == errc::not_a_lock_file || ec == std::errc::permission_denied ||
                           ec == std::errc::operation_not_permitted || ec == std::errc::is_a_directory;
  return about_files ? "its guard is '" + names.guard.string() + "'" : std::string();
}

owner lock_file::impl::find_holder(bool& foreign) const {
  if (options.excludes == keep_out::everyone) {
    foreign = true;
    if (owner locker = detail::find_record_locker(names.guard.c_str()); locker.pid != 0) return locker;
  }
  owner holder = detail::read_owner(names.path.c_str(), foreign);
  if (holder.pid != 0 || !foreign) return holder;
  std::error_code ec;
  static_cast<void>(platform::facts_at(AT_FDCWD, names.path.c_str(), ec));
  if (!ec) return holder;  // it stands there and says nothing about itself
  return detail::read_owner(names.guard.c_str(), foreign);
}

lock_file::lock_file(const std::filesystem::path& path, lock_options options)
    : impl_(std::make_unique<impl>(path, std::move(options))) {}

lock_file::~lock_file() {
  if (impl_) impl_->release();
}

lock_file::lock_file(lock_file&& other) noexcept : impl_(std::move(other.impl_)) {
  if (impl_) impl_->forget_thread();
}

lock_file& lock_file::operator=(lock_file&& other) noexcept {
  lock_file(std::move(other)).impl_.swap(impl_);  // what we held is released with the temporary
  return *this;
}

bool lock_file::try_lock_until(deadline until, cancellation cancel, std::error_code& ec) {
  wait_terms terms(until, std::move(cancel));
  return impl_->acquire(terms, ec);
}

bool lock_file::try_lock_until(deadline until, std::error_code& ec) {
  return try_lock_until(until, {}, ec);
}

bool lock_file::try_lock_until(deadline until) {
  std::error_code ec;
  const bool acquired = try_lock_until(until, ec);
  if (ec) detail::throw_error("lock", path(), ec, impl_->explain(ec));
  return acquired;
}

bool lock_file::try_lock(std::error_code& ec) {
  return try_lock_until(deadline(), ec);
}

bool lock_file::try_lock() {
  return try_lock_until(deadline());
}

void lock_file::lock() {
  const deadline until = deadline::after(impl_->options.timeout);
  if (try_lock_until(until)) return;
  bool foreign = false;
  owner holder = impl_->find_holder(foreign);
  throw lock_timeout(path(), std::move(holder), detail::time_waited(until, impl_->options.timeout), foreign);
}

void lock_file::unlock() noexcept {
  if (impl_) impl_->release();
}

bool lock_file::owns_lock() const noexcept {
  return impl_ && impl_->is_held();
}

bool lock_file::lost() const noexcept {
  return impl_ && impl_->lost_;
}

bool lock_file::left_behind() const noexcept {
  return impl_ && impl_->left_behind_;
}

verify_result lock_file::verify(std::error_code& ec) {
  return impl_->verify(ec);
}

verify_result lock_file::verify() {
  return detail::throwing("verify", path(), [&](std::error_code& ec) { return verify(ec); });
}

fencing_token lock_file::token() const noexcept {
  return {owns_lock() ? impl_->token_.load() : 0};
}

const std::filesystem::path& lock_file::path() const noexcept {
  return impl_->names.path;
}

}  // namespace lockkit::inline v0

namespace lockkit::detail {

void lock_file_internals::use_plant(lock_file& lock, plant_method method) noexcept {
  lock.impl_->method = method;
}

owner lock_file_internals::find_holder(const lock_file& lock, bool& foreign) {
  return lock.impl_->find_holder(foreign);
}

void lock_file_internals::forget_thread(lock_file& lock) noexcept {
  lock.impl_->forget_thread();
}

std::string lock_file_internals::explain(const lock_file& lock, const std::error_code& ec) {
  return lock.impl_->explain(ec);
}

}  // namespace lockkit::detail
