#include "wait_marks.hpp"

namespace lockkit::detail {

using platform::byte_range;
using platform::find_locked;
using platform::lock_mode;
using std::chrono::steady_clock;

namespace {

constexpr auto patience = std::chrono::milliseconds(500);  // rule 5
constexpr byte_range everybody = {platform::presence_byte, mark::end_of_tickets - platform::presence_byte};

/// From `first` on.
constexpr byte_range tickets_from(std::uint64_t first) noexcept {
  return {first, mark::end_of_tickets - first};
}

constexpr byte_range tickets_before(std::uint64_t end) noexcept {
  return {mark::first_ticket, end - mark::first_ticket};
}

/// Another program's lock on the whole file, to its end, covers the tickets' bytes; its length is said to be 0.
constexpr bool is_ticket(const byte_range& locked) noexcept {
  return locked.first >= mark::first_ticket && locked.count != 0;
}

}  // namespace

bool door::is_closed(int fd) noexcept {
  std::error_code unknown;
  const auto found = find_locked(fd, {byte_, 1}, unknown);
  if (!found || found->first != byte_) {  // none, or another program's lock on the whole file
    seen_ = 0;
    return false;
  }
  const auto now = steady_clock::now();
  if (found->count != seen_) {
    seen_ = found->count;
    since_ = now;
  }
  return now - since_ < patience;
}

waiters find_waiters(int fd) noexcept {
  std::error_code ec;
  auto found = find_locked(fd, everybody, ec);
  if (!found) return {.any = static_cast<bool>(ec)};
  waiters result{.any = true};
  while (found && found->first >= mark::first_ticket) {
    result.first_ticket = found->first;
    if (found->first == mark::first_ticket) break;
    found = find_locked(fd, tickets_before(found->first), ec);
  }
  return result;
}

bool is_queue(int fd) noexcept {
  std::error_code unknown;
  const auto found = find_locked(fd, tickets_from(mark::first_ticket), unknown);
  return found && is_ticket(*found);
}

void waiting_marks::set(std::error_code& ec) noexcept {
  if (manners_.in_order) {
    take_ticket(ec);
  } else {
    platform::set_presence(fd_, ec);
  }
  set_ = !ec;
}

/// Rule 6.
void waiting_marks::take_ticket(std::error_code& ec) noexcept {
  for (;;) {
    std::uint64_t next = mark::first_ticket;
    while (const auto taken = find_locked(fd_, tickets_from(next), ec)) {
      if (!is_ticket(*taken)) ec = std::make_error_code(std::errc::resource_unavailable_try_again);
      if (ec) return;
      next = taken->first + taken->count;
    }
    if (ec) return;
    const bool taken = platform::try_lock_byte(fd_, next, ec);
    if (taken) ticket_ = next;
    if (taken || ec) return;
  }
}

bool waiting_marks::is_first() const noexcept {
  std::error_code unknown;
  return ticket_ == mark::first_ticket || !find_locked(fd_, tickets_before(ticket_), unknown);
}

void waiting_marks::clear() noexcept {
  if (is_head_) platform::unlock_bytes(fd_, {mark::writers_byte, mark::pulses});
  if (is_marked_due_) platform::unlock_byte(fd_, mark::readers_byte);
  if (ticket_ != 0) platform::unlock_byte(fd_, ticket_);
  if (set_ && ticket_ == 0) platform::clear_presence(fd_);
  is_head_ = is_marked_due_ = set_ = false;
  ticket_ = 0;
}

bool waiting_marks::may_try(std::uint64_t token) noexcept {
  if (!set_) return true;
  if (ticket_ != 0 && !is_first()) return false;
  if (!manners_.sharing) return true;
  if (mode_ == lock_mode::exclusive) {
    become_head();
    return !readers_.is_closed(fd_);
  }
  if (token_at_first_ == ~std::uint64_t{0}) token_at_first_ = token;
  if (token != token_at_first_) become_due();
  return due_ || !writers_.is_closed(fd_);
}

void waiting_marks::refused() noexcept {
  if (set_ && manners_.sharing && mode_ == lock_mode::shared) become_due();
}

/// Rules 2 and 5.
void waiting_marks::become_head() noexcept {
  std::error_code unmarked;
  if (!is_head_) {
    is_head_ = platform::try_lock_byte(fd_, mark::writers_byte, unmarked);
  } else if (++pulse_ % mark::pulses != 0) {
    static_cast<void>(platform::try_lock_byte(fd_, mark::writers_byte + pulse_ % mark::pulses, unmarked));
  } else {
    platform::unlock_bytes(fd_, {mark::writers_byte + 1, mark::pulses - 1});
  }
}

/// Rule 3.
void waiting_marks::become_due() noexcept {
  due_ = true;
  if (is_marked_due_) return;
  std::error_code unmarked;
  platform::share_byte(fd_, mark::readers_byte, unmarked);
  is_marked_due_ = !unmarked;
}

std::uint32_t waiting_marks::bits() const noexcept {
  if (ticket_ != 0) return wake_bit::of_ticket(ticket_) | wake_bit::stop;
  return (mode_ == lock_mode::shared ? wake_bit::reader : wake_bit::writer) | wake_bit::stop;
}

}  // namespace lockkit::detail
