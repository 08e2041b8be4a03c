#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>

#include "file.hpp"
#include "invoke.hpp"

namespace lockkit::platform {
namespace {

constexpr long pidfs_magic = 0x50494446;  // "PIDF", Linux 6.9

/// The page holds 0 after fork(); `last` is copied by it, so the child's next value differs from its parent's.
std::atomic<std::uint64_t>* generation_page() noexcept {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, 4096, MADV_WIPEONFORK) != 0) {  // before Linux 4.14
    ::munmap(page, 4096);
    return nullptr;
  }
  return new (page) std::atomic<std::uint64_t>(0);
}

std::uint64_t next_generation(std::atomic<std::uint64_t>& current) noexcept {
  static std::atomic<std::uint64_t> last{0};
  std::uint64_t expected = 0;
  const std::uint64_t fresh = last.fetch_add(1) + 1;
  return current.compare_exchange_strong(expected, fresh) ? fresh : expected;
}

}  // namespace

std::uint64_t process_generation() noexcept {
  static std::atomic<std::uint64_t>* const page = generation_page();
  if (page == nullptr) return static_cast<std::uint64_t>(::getpid());  // not proof against nested PID namespaces
  const std::uint64_t value = page->load(std::memory_order_acquire);
  return value != 0 ? value : next_generation(*page);
}

std::string host_name() {
  std::array<char, 65> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

unique_fd open_process(int pid, std::error_code& ec) noexcept {
  return unique_fd(static_cast<int>(invoke("pidfd_open", ec, [&] { return ::syscall(SYS_pidfd_open, pid, 0); })));
}

std::uint64_t pidfd_inode(int pid, std::error_code& ec) noexcept {
  const unique_fd fd = open_process(pid, ec);
  if (ec) return 0;
  struct statfs filesystem{};
  if (has_ended(fd.get())) {
    ec = std::make_error_code(std::errc::no_such_process);
    return 0;
  }
  if (::fstatfs(fd.get(), &filesystem) != 0 || filesystem.f_type != pidfs_magic) return 0;
  return status(fd.get(), ec).st_ino;
}

bool has_ended(int process) noexcept {
  pollfd waited = {process, POLLIN, 0};
  return ::poll(&waited, 1, 0) > 0;
}

int current_pid() noexcept {
  return ::getpid();
}
std::uint64_t current_thread() noexcept {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}
unsigned effective_user() noexcept {
  return ::geteuid();
}

void fill_random(void* into, std::size_t size, std::error_code& ec) noexcept {
  invoke("getrandom", ec, [&] { return ::getrandom(into, size, 0); });  // never short below 256 bytes
}

std::uint64_t wall_clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace lockkit::platform
