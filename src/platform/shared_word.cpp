#include "shared_word.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/detail/os_file_functions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <climits>
#include <ctime>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

namespace interprocess = boost::interprocess;

/// What boost::interprocess::mapped_region asks of something that can be mapped.
struct mappable {
  int fd;
  [[nodiscard]] interprocess::mapping_handle_t get_mapping_handle() const noexcept {
    return interprocess::ipcdetail::mapping_handle_from_file_handle(fd);
  }
};

/// FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; null for "never".
struct absolute_time {
  explicit absolute_time(deadline until) noexcept : never(until.is_never()) {
    const auto since = until.point().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    value.tv_sec = since.count() < 0 ? 0 : static_cast<std::time_t>(seconds.count());
    value.tv_nsec = since.count() < 0 ? 0 : static_cast<long>(std::chrono::nanoseconds(since - seconds).count());
  }
  [[nodiscard]] const timespec* get() const noexcept { return never ? nullptr : &value; }
  bool never;
  timespec value{};
};

long futex(const void* word, int operation, std::uint32_t value, const void* timeout_or_count, const void* word2,
           std::uint32_t value3) noexcept {
  return ::syscall(SYS_futex, word, operation, value, timeout_or_count, word2, value3);
}

}  // namespace

struct shared_word::mapping {
  mapping(interprocess::mapped_region mapped, std::size_t where) noexcept : region(std::move(mapped)), offset(where) {}
  interprocess::mapped_region region;
  std::size_t offset;
  [[nodiscard]] const void* word() const noexcept { return at(offset); }
  /// Beside the word, where nobody sleeps.
  [[nodiscard]] const void* empty() const noexcept { return at(offset - sizeof(std::uint32_t)); }
  /// One call that adds and wakes: FUTEX_WAKE_OP. Its comparison only decides about a second wake, of those who sleep
  /// on the word although it was zero: nobody does.
  void add_one_and_wake(const void* sleepers, int count) const noexcept {
    const auto nothing = reinterpret_cast<const void*>(0UL);
    futex(sleepers, FUTEX_WAKE_OP, static_cast<std::uint32_t>(count), nothing, word(),
          FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
  }

 private:
  [[nodiscard]] const void* at(std::size_t where) const noexcept {
    return static_cast<const std::byte*>(region.get_address()) + where;
  }
};

shared_word::shared_word() noexcept = default;
shared_word::~shared_word() = default;
shared_word::shared_word(shared_word&&) noexcept = default;
shared_word& shared_word::operator=(shared_word&&) noexcept = default;

shared_word::shared_word(int fd, std::size_t offset, std::error_code& ec) noexcept {
  invoke("mmap", ec, [] { return 0; });  // mapped_region makes the call; the fault table still sees it
  if (ec) return;
  try {
    interprocess::mapped_region region(mappable{fd}, interprocess::read_write, 0, offset + sizeof(std::uint32_t));
    mapping_ = std::make_unique<mapping>(std::move(region), offset);
  } catch (const interprocess::interprocess_exception& failure) {
    ec.assign(failure.get_native_error(), std::system_category());
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
}

void shared_word::wait(std::uint32_t expected, deadline until, std::error_code& ec, std::uint32_t bits) noexcept {
  const absolute_time time(until);
  ec.clear();
  const int injected = fault::before("futex");
  const long result =
      injected != 0 ? -1 : futex(mapping_->word(), FUTEX_WAIT_BITSET, expected, time.get(), nullptr, bits);
  if (result >= 0) return;
  const int error = injected != 0 ? injected : errno;
  if (error != EAGAIN && error != ETIMEDOUT && error != EINTR) ec.assign(error, std::system_category());
}

void shared_word::bump_and_wake(int count) noexcept {
  mapping_->add_one_and_wake(mapping_->word(), count);
}

void shared_word::bump() noexcept {
  mapping_->add_one_and_wake(mapping_->empty(), 1);
}

int shared_word::wake(int count, std::uint32_t bits) noexcept {
  const auto nothing = reinterpret_cast<const void*>(0UL);
  const long woken =
      futex(mapping_->word(), FUTEX_WAKE_BITSET, static_cast<std::uint32_t>(count), nothing, nullptr, bits);
  return static_cast<int>(std::max(woken, 0L));
}

void wait_private(const std::uint32_t* word, std::uint32_t expected, deadline until) noexcept {
  const absolute_time time(until);
  futex(word, FUTEX_WAIT_BITSET_PRIVATE, expected, time.get(), nullptr, FUTEX_BITSET_MATCH_ANY);
}

void wake_private(const std::uint32_t* word) noexcept {
  futex(word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace lockkit::platform
