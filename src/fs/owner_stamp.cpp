#include "owner_stamp.hpp"

#include <fcntl.h>

#include <algorithm>

#include "platform/file.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {

fencing_token owner_stamp::write(int fd, std::error_code& ec) {
  if (generation_ != platform::process_generation()) {
    owner self = current_process();
    self.label = label_;
    record_ = format_record(self);
    generation_ = platform::process_generation();
  }
  const record_view previous = read_record(fd, ec);
  if (ec) return {};
  const std::uint64_t now = platform::wall_clock_ns();
  const fencing_token token{std::max(record_fence(previous.text()) + 1, now)};
  restamp_record(record_, token, now / 1'000'000);
  copy_to(fd, ec);
  return token;
}

void owner_stamp::copy_to(int fd, std::error_code& ec) const {
  platform::pwrite_all(fd, std::as_bytes(std::span(record_)), 0, ec);
}

record_view read_record(int fd, std::error_code& ec) noexcept {
  record_view view;
  view.size = platform::pread_all(fd, std::as_writable_bytes(std::span(view.bytes)), 0, ec);
  return view;
}

owner read_owner(const char* path, bool& foreign) {
  std::error_code ec;
  foreign = true;
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
