#include "kernel_lock.hpp"

#include <algorithm>
#include <climits>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "owner_stamp.hpp"
#include "platform/fault.hpp"

namespace lockkit::detail {

using platform::lock_mode;

void wait_terms::begin() {
  if (has_begun()) return;
  began_ = std::chrono::steady_clock::now();
  if (notice) notice();
}

deadline wait_terms::slice(std::chrono::nanoseconds longest) const noexcept {
  const auto waited = std::chrono::steady_clock::now() - began_;
  const auto part = std::clamp<std::chrono::nanoseconds>(waited / 10, std::chrono::milliseconds(5), longest);
  return earlier(until_, deadline::after(part));
}

std::chrono::nanoseconds time_waited(deadline until, std::chrono::nanoseconds timeout) noexcept {
  if (timeout <= std::chrono::nanoseconds::zero()) return std::chrono::nanoseconds::zero();
  return timeout + (std::chrono::steady_clock::now() - until.point());
}

bool kernel_lock::try_acquire(lock_mode mode, std::error_code& ec) noexcept {
  const bool acquired = platform::try_flock(fd_, mode, ec);
  if (ec == std::errc::function_not_supported || ec == std::errc::operation_not_supported ||
      ec == std::errc::no_lock_available) {
    ec = errc::unsupported_filesystem;
  }
  return acquired;
}

bool kernel_lock::acquire(lock_mode mode, wait_terms& terms, std::error_code& ec) {
  if (try_acquire(mode, ec)) return true;
  if (ec || terms.over()) return false;
  terms.begin();
  // Not on a server: where flock is made of record locks, waiters' marks would exclude each other.
  if (wakes_) platform::set_presence(fd_, ec);
  if (ec) wakes_ = false;  // nobody will see us: nap
  platform::fault::point("kernel_lock.present");
  const bool acquired = wait(mode, terms, ec);
  if (wakes_) platform::clear_presence(fd_);
  if (acquired && wakes_ && mode == lock_mode::shared && platform::others_present(fd_)) wake(INT_MAX);
  return acquired;
}

bool kernel_lock::wait(lock_mode mode, wait_terms& terms, std::error_code& ec) {
  map_word();
  for (;;) {
    const std::uint32_t word = wakes_ ? record_word(read_record(fd_, ec).text()) : 0;
    if (try_acquire(mode, ec) || ec) return !ec;
    platform::fault::point("kernel_lock.sleeping");
    sleep(word, terms);
    if (try_acquire(mode, ec) || ec) return !ec;
    if (terms.over()) return false;
  }
}

void kernel_lock::sleep(std::uint32_t word, const wait_terms& terms) noexcept {
  std::error_code ec;
  if (word_ && word != 0) {
    word_.wait(word, terms.slice(), ec);
    if (!ec) return;
  }
  sleep_until(terms.slice(std::chrono::milliseconds(5)));
}

void kernel_lock::map_word() noexcept {
  std::error_code ignored;
  if (wakes_ && !word_) word_ = platform::shared_word(fd_, word_offset, ignored);
}

void kernel_lock::wake(int count) noexcept {
  map_word();
  if (word_) word_.bump_and_wake(count);
}

void kernel_lock::release() noexcept {
  platform::unlock_flock(fd_);
  platform::fault::point("kernel_lock.unlocked");
  if (wakes_ && platform::others_present(fd_)) wake(1);
}

}  // namespace lockkit::detail
