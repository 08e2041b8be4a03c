#include "wait_marks.hpp"

#include <algorithm>
#include <chrono>

namespace lockkit::detail {

using platform::byte_range;
using platform::find_locked;
using platform::lock_mode;

namespace {

constexpr std::uint64_t respected = 5;  // bytes behind the one of now: rule 5
constexpr byte_range everybody = {platform::presence_byte, mark::end_of_tickets - platform::presence_byte};

/// From `first` on.
constexpr byte_range tickets_from(std::uint64_t first) noexcept {
  return {first, mark::end_of_tickets - first};
}

constexpr byte_range tickets_before(std::uint64_t end) noexcept {
  return {mark::first_ticket, end - mark::first_ticket};
}

std::uint64_t now_on_dial() noexcept {
  using tenths = std::chrono::duration<std::uint64_t, std::deci>;
  return std::chrono::floor<tenths>(std::chrono::steady_clock::now().time_since_epoch()).count() % mark::dial;
}

/// Another program's lock on the whole file is none.
bool has_mark(int fd, byte_range bytes) noexcept {
  std::error_code unknown;
  const auto found = find_locked(fd, bytes, unknown);
  return found && found->first >= mark::writers_dial;
}

/// Another program's lock on the whole file, to its end, covers the tickets' bytes; its length is said to be 0.
constexpr bool is_ticket(const byte_range& locked) noexcept {
  return locked.first >= mark::first_ticket && locked.count != 0;
}

}  // namespace

bool is_door_closed(int fd, std::uint64_t dial) noexcept {
  if (!has_mark(fd, {dial, mark::dial})) return false;
  // Also a little ahead of now: whoever moves his mark on may do so after we looked at the clock.
  const std::uint64_t from = now_on_dial() + mark::dial - respected;
  const std::uint64_t first = from % mark::dial;
  constexpr std::uint64_t count = 2 * respected + 1;
  const std::uint64_t straight = std::min(count, mark::dial - first);
  return has_mark(fd, {dial + first, straight}) || (straight < count && has_mark(fd, {dial, count - straight}));
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
  if (at_door_ != 0) platform::unlock_byte(fd_, at_door_);
  if (ticket_ != 0) platform::unlock_byte(fd_, ticket_);
  if (set_ && ticket_ == 0) platform::clear_presence(fd_);
  set_ = false;
  at_door_ = ticket_ = 0;
}

bool waiting_marks::may_try(std::uint64_t token) noexcept {
  if (!set_) return true;
  if (ticket_ != 0 && !is_first()) return false;
  if (!manners_.sharing) return true;
  if (mode_ == lock_mode::exclusive) {
    stand_at(mark::writers_dial);
    return !is_door_closed(fd_, mark::readers_dial);
  }
  if (token_at_first_ == ~std::uint64_t{0}) token_at_first_ = token;
  if (due_ || token != token_at_first_) become_due();
  return due_ || !is_door_closed(fd_, mark::writers_dial);
}

void waiting_marks::refused() noexcept {
  if (set_ && manners_.sharing && mode_ == lock_mode::shared) become_due();
}

/// Rule 3.
void waiting_marks::become_due() noexcept {
  due_ = true;
  stand_at(mark::readers_dial);
}

/// Rule 5. First the new byte: in between there must be one.
void waiting_marks::stand_at(std::uint64_t dial) noexcept {
  const std::uint64_t byte = dial + now_on_dial();
  if (byte == at_door_) return;
  std::error_code unmarked;
  platform::share_byte(fd_, byte, unmarked);
  if (unmarked) return;
  if (at_door_ != 0) platform::unlock_byte(fd_, at_door_);
  at_door_ = byte;
}

std::uint32_t waiting_marks::bits() const noexcept {
  if (ticket_ != 0) return wake_bit::of_ticket(ticket_) | wake_bit::stop;
  return (mode_ == lock_mode::shared ? wake_bit::reader : wake_bit::writer) | wake_bit::stop;
}

}  // namespace lockkit::detail
