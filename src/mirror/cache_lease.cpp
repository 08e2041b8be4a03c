/// A lease (see content_removal.cpp for the other side).
///
///  1. The lock is on a description of its own, opened anew from the entry's: a duplicate would be one with the entry's,
///     and two leases would end together.
///  2. After the lock, the name is looked at: one who was about to remove it may have been quicker.
///  3. A refusal means that somebody is removing the name, or asking whether it is leased: moments. It is tried again, for
///     a second at most; a program that keeps the content locked for longer is not one of ours.
///  4. Released by unlocking, then closing: a forked child shares the description. In that child, only closed.

#include <lockkit/cache_lease.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "core/throw_error.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "platform/process.hpp"

namespace lockkit::inline v0 {

namespace platform = lockkit::platform;

struct cache_lease::impl {
  cache_entry entry;
  platform::unique_fd file;
  std::uint64_t process = platform::process_generation();

  [[nodiscard]] bool is_ours() const noexcept { return process == platform::process_generation(); }

  void take(std::error_code& ec) {
    constexpr std::chrono::seconds longest{1};
    file = platform::reopen(entry.native_handle(), O_RDONLY, ec);
    if (ec) return;
    backoff pause({.first = std::chrono::microseconds(100), .longest = std::chrono::milliseconds(10)});
    const deadline until = deadline::after(longest);
    bool locked = try_lock(ec);
    while (!locked && !ec && has_name(ec) && pause.sleep(until)) locked = try_lock(ec);
    if (!ec && !has_name(ec) && !ec) ec = errc::not_cached;
    if (!ec && !locked) ec = std::make_error_code(std::errc::device_or_resource_busy);
    if (ec) release();
  }

  void release() noexcept {
    if (file && is_ours()) platform::unlock_flock(file.get());
    file.reset();
  }

 private:
  [[nodiscard]] bool try_lock(std::error_code& ec) const noexcept {
    return platform::try_flock(file.get(), platform::lock_mode::shared, ec);
  }

  [[nodiscard]] bool has_name(std::error_code& ec) const noexcept {
    const struct stat held = platform::status(file.get(), ec);
    const struct stat named = ec ? held : platform::status_at(AT_FDCWD, entry.path().c_str(), ec);
    if (ec == std::errc::no_such_file_or_directory) {
      ec.clear();
      return false;
    }
    return !ec && platform::same_inode(held, named);
  }
};

cache_lease::cache_lease(cache_entry entry, std::error_code& ec) : impl_(new impl{std::move(entry), {}}) {
  impl_->take(ec);
}

cache_lease::cache_lease(cache_entry entry) : impl_(new impl{std::move(entry), {}}) {
  std::error_code ec;
  impl_->take(ec);
  if (ec) detail::throw_error("lease", impl_->entry.path(), ec);
}

cache_lease::~cache_lease() {
  release();
}

cache_lease::cache_lease(cache_lease&& other) noexcept = default;

cache_lease& cache_lease::operator=(cache_lease&& other) noexcept {
  cache_lease gone(std::move(other));  // what this object held ends with the temporary
  impl_.swap(gone.impl_);
  return *this;
}

const cache_entry& cache_lease::entry() const noexcept {
  return impl_->entry;
}

bool cache_lease::held() const noexcept {
  return impl_ && impl_->file && impl_->is_ours();
}

void cache_lease::release() noexcept {
  if (impl_) impl_->release();
}

}  // namespace lockkit::inline v0
