#include "key_lock.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/file.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::milliseconds pulse_interval{200};

/// A key that this thread holds. The directory's inode stands for the cache: several objects, and several spellings of
/// its path, lead to one.
struct held_key {
  dev_t device;
  ino_t directory;
  std::string name;
  std::uint64_t process;  // a forked child copies the list, but holds nothing

  friend bool operator==(const held_key&, const held_key&) = default;
};

std::vector<held_key>& held_by_this_thread() {
  thread_local std::vector<held_key> held;
  return held;
}

lock_options options_for(const cache_layout& layout, std::string_view label,
                         std::function<void(const wait_notice&)> on_wait) {
  lock_options options;
  options.mode = layout.lock_mode();
  options.label = label;
  options.on_wait = std::move(on_wait);
  return options;
}

}  // namespace

key_lock::key_lock(const cache_layout& layout, std::string_view name, std::string_view label,
                   std::function<void(const wait_notice&)> on_wait)
    : layout_(layout), name_(name), mutex_(layout.lock_path(name), options_for(layout, label, std::move(on_wait))) {}

key_lock::~key_lock() {
  // Nested holds end in the reverse order of their beginning: what this object entered is the last.
  if (entered_) held_by_this_thread().pop_back();
}

std::uint64_t key_lock::latest(std::error_code& ec) const {
  const fencing_token token = mutex_.latest_token(ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return ec ? 0 : token.value;
}

bool key_lock::is_the_lock() const {
  std::error_code ec;
  return latest(ec) == number() && !ec;
}

void key_lock::enter(std::error_code& ec) {
  const platform::unique_fd directory = layout_.open_shard('l', name_, ec);
  if (ec) return;
  const struct stat found = platform::status(directory.get(), ec);
  if (ec) return;
  held_key mine{found.st_dev, found.st_ino, name_, platform::process_generation()};
  std::vector<held_key>& held = held_by_this_thread();
  if (std::ranges::find(held, mine) != held.end()) {
    ec = errc::would_deadlock;
    return;
  }
  held.push_back(std::move(mine));
  entered_ = true;
}

void key_lock::acquire(deadline until, const std::stop_token& stop, const std::function<void()>& pulse,
                       std::error_code& ec) {
  enter(ec);
  while (!ec) {
    const deadline slice = pulse ? earlier(until, deadline::after(pulse_interval)) : until;
    if (mutex_.try_lock_until(slice, stop, ec) || ec) return;
    if (stop.stop_requested()) {
      ec = std::make_error_code(std::errc::operation_canceled);
    } else if (slice == until || until.expired()) {
      ec = errc::timed_out;
    } else {
      pulse();
    }
  }
}

}  // namespace lockkit::detail
