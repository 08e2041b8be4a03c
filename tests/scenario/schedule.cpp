#include "scenario/schedule.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "support/catch.hpp"

namespace testing {

namespace fs = std::filesystem;
using lockkit::detail::plant_method;

namespace {

void crash_holder(const lock_place& at, plant_method method) {
  contender crashed(at.lock, method);
  REQUIRE(crashed.acquire() == event::held);
  crashed.kill();
}

void use_once(const lock_place& at) {
  contender earlier(at.lock);
  REQUIRE(earlier.acquire() == event::held);
  REQUIRE(earlier.release() == event::released);
}

void crash_and_remove_guard(const lock_place& at) {
  crash_holder(at, plant_method::automatic);
  fs::remove(at.guard);
}

}  // namespace

const std::vector<step> beginnings = {
    {"nothing there", [](const lock_place&) {}},
    {"a free guard", use_once},
    {"a crashed holder's link", [](const lock_place& at) { crash_holder(at, plant_method::automatic); }},
    {"a crashed holder's own file", [](const lock_place& at) { crash_holder(at, plant_method::own_file); }},
    {"a crashed holder whose guard was removed", crash_and_remove_guard},
};

const std::vector<step> disturbances = {
    {"nothing", [](const lock_place&) {}},
    {"the lock file removed", [](const lock_place& at) { fs::remove(at.lock); }},
    {"the guard removed", [](const lock_place& at) { fs::remove(at.guard); }},
};

bool take_as_script(const fs::path& lock) {
  const int fd = ::open(lock.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  const bool written = ::write(fd, "1\n", 2) == 2;
  ::close(fd);
  return written;
}

bool is_script_lock(const fs::path& lock) {
  return fs::exists(lock) && read_file(lock) == "1\n";
}

void require_usable(const lock_place& at) {
  contender next(at.lock);
  REQUIRE(next.acquire(std::chrono::seconds(2)) == event::held);
  REQUIRE(next.release() == event::released);
  REQUIRE_FALSE(fs::exists(at.lock));
}

void let_go(contender& one, event state) {
  if (state == event::held) one.release();
}

std::uint64_t at_every_call(const std::function<bool(std::uint64_t)>& attempt) {
  constexpr std::uint64_t endless = 200;  // no acquisition makes so many calls
  static std::uint64_t turn = 0;
  for (std::uint64_t call = 1 + turn++ % sampling; call < endless; call += sampling) {
    INFO("parked before call " << call);
    if (!attempt(call)) return call - 1;
  }
  FAIL("it never ends");
  return 0;
}

}  // namespace testing
