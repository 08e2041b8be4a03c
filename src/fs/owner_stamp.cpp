#include "owner_stamp.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>

#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

reusable_record record_with(const std::string& label) {
  owner self = current_process();
  self.label = label;
  return reusable_record(self);
}

/// Formatted once per process: that costs more than the system calls of a lock, and most locks have no label. As in
/// current_process(), what a forked child replaces is left in place.
reusable_record record_without_label() {
  struct formatted {
    std::uint64_t generation;
    reusable_record record;
  };
  static std::atomic<const formatted*> cached{nullptr};
  const formatted* found = cached.load(std::memory_order_acquire);
  if (found == nullptr || found->generation != platform::process_generation()) {
    found = new formatted{platform::process_generation(), record_with({})};
    cached.store(found, std::memory_order_release);
  }
  return found->record;
}

}  // namespace

fencing_token owner_stamp::write(int fd, std::error_code& ec) {
  if (generation_ != platform::process_generation()) {
    record_ = label_.empty() ? record_without_label() : record_with(label_);
    generation_ = platform::process_generation();
  }
  const record_view previous = read_record(fd, ec);
  if (ec) return {};
  const std::uint64_t now = platform::wall_clock_ns();
  const fencing_token token{std::max(record_fence(previous.text()) + 1, now)};
  record_.stamp(token, now / 1'000'000);
  copy_to(fd, ec);
  return token;
}

void owner_stamp::copy_to(int fd, std::error_code& ec) const {
  platform::pwrite_all(fd, std::as_bytes(std::span(record_.bytes())), 0, ec);
}

record_view read_record(int fd, std::error_code& ec) noexcept {
  record_view view;
  view.size = platform::pread_all(fd, std::as_writable_bytes(std::span(view.bytes)), 0, ec);
  return view;
}

owner read_owner(const char* path, bool& foreign) {
  std::error_code ec;
  foreign = true;
  // Opening a FIFO lets its writer go on, opening a device may do anything.
  if (!platform::facts_at(AT_FDCWD, path, ec).is_regular()) return {};
  const platform::unique_fd fd = platform::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec || !S_ISREG(platform::status(fd.get(), ec).st_mode)) return {};
  const record_view view = read_record(fd.get(), ec);
  if (auto who = parse_record(view.text())) {
    foreign = false;
    return *who;
  }
  return parse_foreign(view.text()).value_or(owner());
}

}  // namespace lockkit::detail
