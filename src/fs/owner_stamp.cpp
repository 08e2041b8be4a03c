#include "owner_stamp.hpp"

#include <fcntl.h>

#include <algorithm>

#include <lockkit/error.hpp>

#include "core/per_process.hpp"

#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

reusable_record record_with(const std::string& label, record_kind kind) {
  owner self = current_process();
  self.label = label;
  return {self, kind};
}

/// Formatted once per process: that costs more than the system calls of a lock, and most locks have no label.
reusable_record record_without_label(record_kind kind) {
  static per_process<reusable_record> lock_files;
  static per_process<reusable_record> mutexes;
  auto& cached = kind == record_kind::lock_file ? lock_files : mutexes;
  return cached.get([kind] { return record_with({}, kind); });
}

}  // namespace

fencing_token owner_stamp::write(int fd, std::error_code& ec, bool over_anything) {
  if (generation_ != platform::process_generation()) {
    record_ = label_.empty() ? record_without_label(kind_) : record_with(label_, kind_);
    generation_ = platform::process_generation();
  }
  const record_view previous = read_record(fd, ec);
  const bool ours = is_blank(previous.text()) || has_record_mark(previous.text());
  if (!ec && !ours && !over_anything) ec = errc::not_a_lock_file;
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
