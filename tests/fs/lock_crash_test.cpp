/// A kill at every system call, and a failure of every platform call, of acquiring and releasing: found by tracing.
#include <unistd.h>

#include <cerrno>
#include <functional>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using detail::plant_method;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

const std::vector<plant_method> methods = {plant_method::automatic, plant_method::own_file, plant_method::exclusive};

void acquire_and_release(const fs::path& path, plant_method method) {
  lock_file lock(path);
  detail::lock_file_internals::use_plant(lock, method);
  lock.lock();
  lock.unlock();
}

/// The next process gets the lock, alone, and afterwards only the guard is there.
void check_recovers(const testing::scratch_directory& place, plant_method method, bool may_stay_held) {
  lock_file next(place / "l");
  detail::lock_file_internals::use_plant(next, method);
  std::error_code ec;
  bool acquired = next.try_lock(ec);
  REQUIRE_FALSE(ec);
  if (!acquired && may_stay_held) {
    REQUIRE(fs::file_size(place / "l") == 0);  // rule 6's last resort fails closed
    fs::remove(place / "l");
    acquired = next.try_lock(ec);
  }
  REQUIRE(acquired);
  lock_file rival(place / "l");
  REQUIRE_FALSE(rival.try_lock());
  next.unlock();
  REQUIRE_FALSE(next.lost());
  REQUIRE(place.names() == std::set<std::string>{".l.guard"});
}

}  // namespace

TEST_CASE("killed at any system call of acquire and release, a lock is neither stuck nor doubled") {
  for (const auto method : methods) {
    for (const bool fresh : {true, false}) {
      for (const bool leftover : {false, true}) {
        testing::scratch_directory place;
        const auto prepare = [&] {
          for (const auto& name : place.names()) fs::remove(place / name);
          if (!fresh) acquire_and_release(place / "l", plant_method::automatic);
          if (leftover) {
            testing::child_process dead([&]() -> int {
              lock_file lock(place / "l");
              lock.lock();
              ::_exit(0);  // nothing is released by hand
            });
            dead.wait();
          }
        };
        const auto points = testing::kill_at_every_call(
            prepare, [&] { acquire_and_release(place / "l", method); },
            [&](std::size_t point) {
              INFO("killed before call " << point << ", method " << static_cast<int>(method));
              check_recovers(place, method, method == plant_method::exclusive);
            });
        CHECK(points >= 10);
      }
    }
  }
}

TEST_CASE("killed at any system call of a mutex's cycle, the next one gets it") {
  testing::scratch_directory place;
  const auto body = [&] {
    file_mutex mutex(place / "m");
    mutex.lock();
    mutex.unlock();
    mutex.lock_shared();
    mutex.unlock_shared();
  };
  const auto points = testing::kill_at_every_call([&] { fs::remove(place / "m"); }, body,
                                                  [&](std::size_t) {
                                                    file_mutex next(place / "m");
                                                    REQUIRE(next.try_lock());
                                                    next.unlock();
                                                    REQUIRE(next.try_lock_shared());
                                                  });
  CHECK(points >= 10);
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// The names of the platform calls that `operation` makes, in order.
std::vector<std::string> calls_of(const std::function<void()>& operation) {
  fault::start_recording();
  operation();
  return fault::stop_recording();
}

struct outcome {
  std::error_code ec;
  bool acquired;
};

/// One try with the N-th platform call failing (or, with error 0, writing 3 bytes at most).
outcome try_with_fault(const fs::path& path, plant_method method, std::size_t nth, int error) {
  lock_file lock(path);
  detail::lock_file_internals::use_plant(lock, method);
  const auto what = error == 0 ? fault::action::shorten : fault::action::fail;
  fault::arm({.what = what, .nth = nth, .error = error, .bytes = 3});
  outcome result{};
  result.acquired = lock.try_lock(result.ec);
  if (result.acquired) lock.unlock();
  fault::disarm();
  return result;
}

}  // namespace

TEST_CASE("any platform call of acquire and release failing gives a clean error or a lock, and leaves nothing") {
  for (const auto method : methods) {
    testing::scratch_directory place;
    const auto names = calls_of([&] { acquire_and_release(place / "l", method); });
    REQUIRE(names.size() >= 8);
    for (const int error : {EIO, ENOSPC, EMFILE, EACCES, EINTR, 0}) {
      for (std::size_t nth = 1; nth <= names.size(); ++nth) {
        INFO("method " << static_cast<int>(method) << ", call " << nth << " " << names[nth - 1] << ", errno " << error);
        const auto before = testing::open_descriptors();
        const outcome result = try_with_fault(place / "l", method, nth, error);
        REQUIRE((result.acquired || result.ec));
        if (error == EINTR || error == 0) REQUIRE(result.acquired);
        REQUIRE(testing::open_descriptors() == before);
        // A failed unlink of the public name leaves it to the next holder, who adopts it.
        lock_file next(place / "l");
        detail::lock_file_internals::use_plant(next, method);
        REQUIRE(next.try_lock());
        next.unlock();
        REQUIRE(place.names() == std::set<std::string>{".l.guard"});
      }
    }
  }
}

#endif

TEST_CASE("a full disk gives a clean error, and the lock works again when there is room") {
  testing::scratch_mount mount("tmpfs", "size=16k,nr_inodes=16");
  if (!mount.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  const auto fill = [&] {
    try {
      for (int i = 0; i < 100; ++i)
        testing::write_file(mount.path() / ("fill" + std::to_string(i)), std::string(4096, 'x'));
      FAIL("the disk did not fill up");
    } catch (const std::runtime_error&) {
    }
  };
  lock_file kept(mount.path() / "kept");
  kept.lock();
  kept.unlock();
  fill();
  CHECK(kept.try_lock());  // its record has its block already
  kept.unlock();
  std::error_code ec;
  lock_file fresh(mount.path() / "fresh");
  CHECK_FALSE(fresh.try_lock(ec));
  CHECK(ec == std::errc::no_space_on_device);
  CHECK_FALSE(fs::exists(mount.path() / "fresh"));
  for (const auto& entry : fs::directory_iterator(mount.path())) {
    if (entry.path().filename().string().starts_with("fill")) fs::remove(entry.path());
  }
  CHECK(fresh.try_lock());
}

TEST_CASE("a read-only filesystem gives a clean error") {
  testing::scratch_mount mount("tmpfs", "ro");
  if (!mount.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  std::error_code ec;
  lock_file lock(mount.path() / "l");
  CHECK_FALSE(lock.try_lock(ec));
  CHECK(ec == std::errc::read_only_file_system);
}
