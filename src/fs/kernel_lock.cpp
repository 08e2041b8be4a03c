#include "kernel_lock.hpp"

#include <climits>
#include <memory>
#include <stop_token>

#include <lockkit/backoff.hpp>
#include <lockkit/error.hpp>

#include "owner_stamp.hpp"
#include "platform/fault.hpp"

namespace lockkit::detail {

using platform::lock_mode;

namespace {

bool is_unsupported(const std::error_code& ec) noexcept {
  return ec == std::errc::function_not_supported || ec == std::errc::operation_not_supported ||
         ec == std::errc::no_lock_available;
}

/// Rule 8. On the heap: a child forked during the wait may request the stop, too, when this thread's stack is gone.
struct stop_wake {
  platform::shared_word* word;
  void operator()() const noexcept {
    word->bump();
    word->wake(INT_MAX, wake_bit::stop);
  }
};
using stop_alarm = std::unique_ptr<std::stop_callback<stop_wake>>;

stop_alarm wake_when_stopped(const std::stop_token& stop, platform::shared_word& word) noexcept try {
  if (!word || !stop.stop_possible()) return nullptr;
  return std::make_unique<std::stop_callback<stop_wake>>(stop, stop_wake{&word});
} catch (const std::bad_alloc&) {
  return nullptr;  // then it is noticed a slice later
}

}  // namespace

/// One wait, from its marks to their removal, also when the caller's function throws.
class kernel_lock::visit {
 public:
  visit(kernel_lock& lock, lock_mode mode, wait_terms& terms) noexcept
      : lock_(lock), mode_(mode), terms_(terms), marks_(lock.fd_, mode, lock.manners_) {
    if (!platform::fault::is_broken("presence_before_last_look")) announce();
  }
  ~visit() {
    const bool in_the_way = marks_.held_others_back();
    marks_.clear();
    if (!acquired_ && in_the_way) lock_.wake_next(mode_);  // rule 6
  }
  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;

  [[nodiscard]] bool wait(std::error_code& ec) {
    platform::fault::point("kernel_lock.present");
    lock_.map_word();
    const stop_alarm alarm = wake_when_stopped(terms_.stop(), lock_.word_);
    for (;;) {
      const std::uint32_t word = look();
      if (terms_.must_warn()) terms_.warn();
      if (try_once(ec) || ec) break;
      platform::fault::point("kernel_lock.sleeping");
      if (platform::fault::is_broken("presence_before_last_look")) announce();
      sleep(word);
      platform::fault::point("kernel_lock.woken");
      if (platform::fault::is_broken("look_before_deadline") && terms_.over()) break;
      if (lock_.manners_.sharing) look();
      if (try_once(ec) || ec) break;
      if (terms_.over()) break;
    }
    return acquired_;
  }

 private:
  void announce() noexcept {
    std::error_code unmarked;  // nobody will see us: nap
    // Not on a server: where flock is made of record locks, waiters' marks would exclude each other.
    if (lock_.local_ && !marks_.are_set()) marks_.set(unmarked);
  }

  /// The word to sleep on; and whose hold it is that we wait through.
  std::uint32_t look() noexcept {
    if (!lock_.local_ && !terms_.counts_time()) return 0;
    std::error_code unread;
    const record_view record = read_record(lock_.fd_, unread);
    token_ = record_fence(record.text());
    terms_.see(token_);
    return record_word(record.text());
  }

  bool try_once(std::error_code& ec) noexcept {
    ec.clear();
    if (!marks_.may_try(token_)) return false;
    acquired_ = lock_.try_acquire(mode_, ec);
    if (!acquired_) marks_.refused();
    return acquired_;
  }

  void sleep(std::uint32_t word) noexcept {
    std::error_code ec;
    if (lock_.word_ && marks_.are_set() && word != 0 && !lock_.gave_back_) {
      const deadline end = platform::fault::is_broken("slice") ? terms_.until() : terms_.slice();
      lock_.word_.wait(word, end, ec, marks_.bits());
      if (!ec) return;
    }
    terms_.nap(terms_.slice(std::chrono::milliseconds(5)));
  }

  kernel_lock& lock_;
  lock_mode mode_;
  wait_terms& terms_;
  waiting_marks marks_;
  std::uint64_t token_ = 0;
  bool acquired_ = false;
};

kernel_lock::kernel_lock(int fd, bool local, lock_manners manners) noexcept
    : fd_(fd), local_(local), manners_(manners) {}

/// Rule 9. Another program's record lock on the whole file covers that byte, too, and while it does nobody converts: the
/// kernel would not give him the byte.
bool kernel_lock::is_being_converted(std::error_code& ec) const noexcept {
  const auto found = platform::find_locked(fd_, {mark::conversion_byte, 1}, ec);
  if (ec == std::errc::invalid_argument) ec.clear();  // a kernel without such locks: then nobody converts
  return found && found->first == mark::conversion_byte;
}

bool kernel_lock::try_acquire(lock_mode mode, std::error_code& ec) noexcept {
  gave_back_ = false;
  const bool acquired = platform::try_flock(fd_, mode, ec);
  if (is_unsupported(ec)) ec = errc::unsupported_filesystem;
  if (!acquired || !local_ || !manners_.sharing || mode == lock_mode::shared) return acquired;
  platform::fault::point("kernel_lock.locked");
  gave_back_ = is_being_converted(ec) || ec;  // rule 9
  if (!gave_back_) return true;
  platform::unlock_flock(fd_);
  wake_next(mode);
  return false;
}

bool kernel_lock::may_try_at_once(lock_mode mode, bool already_shares) noexcept {
  if (!local_ || already_shares) return true;
  if (manners_.in_order && is_queue(fd_)) return false;
  if (!manners_.sharing) return true;
  if (mode == lock_mode::shared) return !is_door_closed(fd_, mark::writers_dial);
  return !must_look_for_readers_ || !is_door_closed(fd_, mark::readers_dial);
}

bool kernel_lock::acquire(lock_mode mode, wait_terms& terms, std::error_code& ec, bool already_shares) {
  ec.clear();
  mode_ = mode;
  if (may_try_at_once(mode, already_shares) && try_acquire(mode, ec)) return true;
  if (ec || terms.over()) return false;
  terms.begin();
  bool acquired = false;
  {
    visit here(*this, mode, terms);
    acquired = here.wait(ec);
  }
  if (acquired && local_ && mode == lock_mode::shared) wake_those_who_share();
  return acquired;
}

void kernel_lock::release() noexcept {
  const bool early = platform::fault::is_broken("unlock_before_wake");
  if (local_ && early) wake_next(mode_);
  if (early) platform::fault::point("kernel_lock.woke_early");
  platform::unlock_flock(fd_);
  platform::fault::point("kernel_lock.unlocked");
  if (local_ && !early) wake_next(mode_);
}

/// Rule 5.
void kernel_lock::wake_next(lock_mode left) noexcept {
  const waiters found = find_waiters(fd_);
  must_look_for_readers_ = false;
  if (!found.any) return;
  map_word();
  if (!word_) return;
  if (found.first_ticket != 0) {
    word_.bump();
    word_.wake(INT_MAX, wake_bit::of_ticket(found.first_ticket));
  } else if (manners_.sharing) {
    wake_readers_or_writer(left);
  } else if (!platform::fault::is_broken("word_changes")) {
    word_.bump_and_wake(1);
  }
}

void kernel_lock::wake_readers_or_writer(lock_mode left) noexcept {
  word_.bump();
  if (left == lock_mode::exclusive) {
    must_look_for_readers_ = word_.wake(INT_MAX, wake_bit::reader) > 0 && is_door_closed(fd_, mark::readers_dial);
    if (!must_look_for_readers_) word_.wake(1, wake_bit::writer);
  } else if (word_.wake(1, wake_bit::writer) == 0) {
    word_.wake(INT_MAX, wake_bit::reader);
  }
}

/// Rule 6.
void kernel_lock::wake_those_who_share() noexcept {
  const waiters found = find_waiters(fd_);
  if (!found.any) return;
  map_word();
  if (!word_) return;
  word_.bump();
  word_.wake(INT_MAX, found.first_ticket != 0 ? wake_bit::of_ticket(found.first_ticket) : wake_bit::reader);
}

void kernel_lock::map_word() noexcept {
  std::error_code ignored;
  if (local_ && !word_) word_ = platform::shared_word(fd_, word_offset, ignored);
}

/// Rules 9 and 10.
bool kernel_lock::begin_conversion(std::error_code& ec) noexcept {
  ec = errc::unsupported_filesystem;
  if (!local_) return false;
  const bool had = platform::try_lock_byte(fd_, mark::conversion_byte, ec);
  if (ec == std::errc::invalid_argument) ec = errc::unsupported_filesystem;
  return had;
}

/// Rule 11. What was held is given up if it fails.
void kernel_lock::regain_shared(deadline patience, std::error_code& ec) noexcept {
  const deadline at_least = deadline::after(std::chrono::seconds(1));
  while (!platform::try_flock(fd_, lock_mode::shared, ec) && !ec) {
    if (patience.expired() && at_least.expired()) return lose(ec);
    sleep_until(deadline::after(std::chrono::microseconds(200)));
  }
  if (ec) return lose(ec);
  mode_ = lock_mode::shared;
}

void kernel_lock::lose(std::error_code& ec) noexcept {
  release();
  ec = errc::lock_lost;
}

std::uint64_t kernel_lock::token_now(std::error_code& ec) const noexcept {
  return record_fence(read_record(fd_, ec).text());
}

void kernel_lock::downgrade(deadline patience, std::error_code& ec) noexcept {
  if (!begin_conversion(ec)) {
    if (!ec) ec = std::make_error_code(std::errc::device_or_resource_busy);
    return;
  }
  platform::fault::point("kernel_lock.converting");
  regain_shared(patience, ec);
  platform::unlock_byte(fd_, mark::conversion_byte);
  if (!ec) wake_those_who_share();
}

bool kernel_lock::try_upgrade(deadline patience, std::error_code& ec) noexcept {
  if (!begin_conversion(ec)) return false;
  const bool upgraded = upgrade_or_regain(patience, ec);
  platform::unlock_byte(fd_, mark::conversion_byte);
  return upgraded;
}

bool kernel_lock::upgrade_or_regain(deadline patience, std::error_code& ec) noexcept {
  const std::uint64_t token = token_now(ec);
  if (ec) return false;
  platform::fault::point("kernel_lock.converting");
  const bool upgraded = platform::try_flock(fd_, lock_mode::exclusive, ec);
  platform::fault::point("kernel_lock.upgrade_tried");
  if (upgraded) {
    mode_ = lock_mode::exclusive;
  } else {
    regain_shared(patience, ec);
    if (ec) return false;
  }
  std::error_code unread;
  if (token_now(unread) != token || unread) lose(ec);
  return upgraded && !ec;
}

}  // namespace lockkit::detail
