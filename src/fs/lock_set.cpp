/// Several lock files at once.
///
/// 1. One order for everybody: by the device and the inode of the lock's directory, then by the lock's name. What a path
///    says is not compared: relative paths, symbolic links, ".." and bind mounts give one lock many paths, and two
///    processes that order those would wait in a circle. Not by the guard's inode, although that is the lock: it changes
///    while others wait, when guards are removed. A directory stays as long as there is a lock in it.
/// 2. The order is looked up for each acquisition, before the first lock: directories may have been replaced since. Missing
///    ones are made first, where that was asked for, since without an inode they have no place in the order.
/// 3. A lock twice in one set is an error, found by the same comparison: it would wait for itself.
/// 4. Locks are taken one after another, each with the one deadline; a wait is only for a lock behind all those that are
///    held, so that nobody waits in a circle (Havender, 1968). Nothing is given back and tried again: two that step back
///    from one another can do so for ever.
/// 5. All or nothing: whatever ends the attempt early, an exception from on_wait included, releases what this attempt took,
///    last one first. What was held before it stays.
/// 6. Who holds the missing lock is looked up before anything is released: afterwards it may be somebody else.
#include <fcntl.h>

#include <algorithm>
#include <stdexcept>

#include <lockkit/directory.hpp>
#include <lockkit/lock_set.hpp>

#include "core/throw_error.hpp"
#include "lock_names.hpp"
#include "plant.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "wait_terms.hpp"

namespace lockkit::inline v0 {

using detail::lock_file_internals;

struct lock_set::impl {
  /// Rule 1.
  struct place {
    std::uint64_t device = 0;
    std::uint64_t directory = 0;
    std::string name;
    friend auto operator<=>(const place&, const place&) = default;
  };
  /// One lock of a set.
  struct member {
    member(const std::filesystem::path& path, const lock_options& options) : given(path), lock(path, options) {}
    std::filesystem::path given;
    lock_file lock;
    place where;
  };

  impl(const std::vector<std::filesystem::path>& paths, const lock_options& given) : options(given) {
    members.reserve(paths.size());
    for (const auto& path : paths) members.emplace_back(path, given);
    for (member& one : members) order.push_back(&one);
  }

  [[nodiscard]] bool acquire(deadline until, const cancellation& cancel, std::error_code& ec);
  void release(std::size_t taken) noexcept;
  [[noreturn]] void throw_failure(const std::error_code& ec) const;

  lock_options options;
  std::vector<member> members;
  std::vector<member*> order;  // of the last attempt
  std::optional<missed_lock> missed;
  std::string about_failure;

 private:
  static place find_place(const std::filesystem::path& path, bool create_parents, std::error_code& ec);
  void find_order(std::error_code& ec);
  void miss(const member& one, const std::error_code& ec);
};

/// Rule 2.
lock_set::impl::place lock_set::impl::find_place(const std::filesystem::path& path, bool create_parents,
                                                 std::error_code& ec) {
  const detail::lock_names names = detail::name_lock(path, ec);
  if (!ec && create_parents) ensure_directory(names.directory, {}, ec);
  if (ec) return {};
  const platform::unique_fd directory =
      platform::open_at(AT_FDCWD, names.directory.c_str(), O_PATH | O_DIRECTORY, 0, ec);
  if (ec) return {};
  const platform::inode_facts found = platform::facts(directory.get(), ec);
  return {found.device, found.inode, names.path.filename().string()};
}

void lock_set::impl::find_order(std::error_code& ec) {
  ec.clear();
  for (member& one : members) {
    one.where = find_place(one.lock.path(), options.create_parents, ec);
    if (ec) return miss(one, ec);
  }
  std::ranges::sort(order, {}, [](const member* one) -> const place& { return one->where; });
  const auto same = [](const member* a, const member* b) { return a->where == b->where; };
  const auto twice = std::ranges::adjacent_find(order, same);
  if (twice == order.end()) return;
  ec = errc::same_lock_twice;
  miss(**twice, ec);
  about_failure = "it is also '" + (*std::next(twice))->given.string() + "'";
}

/// Rule 6.
void lock_set::impl::miss(const member& one, const std::error_code& ec) {
  missed.emplace(missed_lock{one.lock.path(), {}, false});
  if (!ec) missed->holder = lock_file_internals::find_holder(one.lock, missed->foreign);
  about_failure = lock_file_internals::explain(one.lock, ec);
}

bool lock_set::impl::acquire(deadline until, const cancellation& cancel, std::error_code& ec) {
  missed.reset();
  find_order(ec);
  if (ec) return false;
  std::size_t taken = 0;
  try {
    for (; taken < order.size(); ++taken) {
      if (order[taken]->lock.try_lock_until(until, cancel, ec)) continue;
      miss(*order[taken], ec);
      release(taken);
      return false;
    }
  } catch (...) {
    release(taken);
    throw;
  }
  return true;
}

/// Rule 5: the first `taken` in order.
void lock_set::impl::release(std::size_t taken) noexcept {
  while (taken > 0) order[--taken]->lock.unlock();
}

void lock_set::impl::throw_failure(const std::error_code& ec) const {
  detail::throw_error("lock", missed->path, ec, about_failure);
}

lock_set::lock_set(const std::vector<std::filesystem::path>& paths, const lock_options& options)
    : impl_(std::make_unique<impl>(paths, options)) {}

lock_set::~lock_set() {
  unlock();
}

lock_set::lock_set(lock_set&& other) noexcept : impl_(std::move(other.impl_)) {
  if (!impl_) return;
  for (impl::member& one : impl_->members) lock_file_internals::forget_thread(one.lock);
}

lock_set& lock_set::operator=(lock_set&& other) noexcept {
  lock_set(std::move(other)).impl_.swap(impl_);  // what we held is released with the temporary
  return *this;
}

bool lock_set::try_lock_until(deadline until, cancellation cancel, std::error_code& ec) {
  return impl_->acquire(until, cancel, ec);
}

bool lock_set::try_lock_until(deadline until, std::error_code& ec) {
  return try_lock_until(until, {}, ec);
}

bool lock_set::try_lock_until(deadline until) {
  std::error_code ec;
  const bool acquired = try_lock_until(until, ec);
  if (ec) impl_->throw_failure(ec);
  return acquired;
}

bool lock_set::try_lock(std::error_code& ec) {
  return try_lock_until(deadline(), ec);
}

bool lock_set::try_lock() {
  return try_lock_until(deadline());
}

void lock_set::lock() {
  const deadline until = deadline::after(impl_->options.timeout);
  if (try_lock_until(until)) return;
  const missed_lock& missing = *impl_->missed;
  throw lock_timeout(missing.path, missing.holder, detail::time_waited(until, impl_->options.timeout), missing.foreign);
}

void lock_set::unlock() noexcept {
  if (impl_) impl_->release(impl_->order.size());
}

bool lock_set::owns_lock() const noexcept {
  return impl_ && std::ranges::all_of(impl_->members, [](const impl::member& one) { return one.lock.owns_lock(); });
}

const std::optional<missed_lock>& lock_set::missed() const noexcept {
  return impl_->missed;
}

std::size_t lock_set::size() const noexcept {
  return impl_ ? impl_->members.size() : 0;
}

lock_file& lock_set::operator[](std::size_t index) noexcept {
  return impl_->members[index].lock;
}

lock_file& lock_set::at(const std::filesystem::path& path) {
  const auto is_it = [&](const impl::member& one) { return one.given == path || one.lock.path() == path; };
  const auto found = std::ranges::find_if(impl_->members, is_it);
  if (found == impl_->members.end()) throw std::out_of_range("lock_set has no lock '" + path.string() + "'");
  return found->lock;
}

lock_set lock_all(const std::vector<std::filesystem::path>& paths, const lock_options& options) {
  lock_set set(paths, options);
  set.lock();
  return set;
}

}  // namespace lockkit::inline v0
