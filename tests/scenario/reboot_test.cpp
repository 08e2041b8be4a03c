/// Another boot's id: a record of an earlier boot is a dead holder's, but only because its kernel lock is gone with that
/// kernel. A process that merely sees another id (a container with its own /proc, a checkpoint restored) still holds.
/// Seen to fail: with an orphan judged by its boot id instead of its lock; with orphans of other boots never removed.
#include <signal.h>
#include <unistd.h>

#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "scenario/containers.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;
using lockkit::detail::plant_method;
namespace fs = std::filesystem;

namespace {

constexpr plant_method every_plant[] = {plant_method::automatic, plant_method::own_file, plant_method::exclusive};

lock_file make(const fs::path& path, plant_method method) {
  lock_file lock(path);
  lockkit::detail::lock_file_internals::use_plant(lock, method);
  return lock;
}

bool may_pretend() {
  if (child_process([] { return pretend_reboot() ? 0 : not_permitted; }).wait() == 0) return true;
  WARN("skipped: mounting is not permitted here");
  return false;
}

/// Holds the lock, with a record of the other boot, until it is killed.
child_process hold_after_reboot(const fs::path& path, plant_method method, const signal_pipe& locked) {
  return child_process([&] {
    if (!pretend_reboot()) return not_permitted;
    lock_file lock = make(path, method);
    lock.lock();
    locked.send();
    ::pause();
    return 0;
  });
}

bool gets_after_reboot(const fs::path& path) {
  child_process contender([&] {
    if (!pretend_reboot()) return not_permitted;
    return lock_file(path).try_lock() ? 0 : 1;
  });
  return contender.wait() == 0;
}

}  // namespace

TEST_CASE("a live holder that sees another boot is not robbed, and when it dies it is succeeded at once") {
  if (!may_pretend()) return;
  for (const plant_method method : every_plant) {
    for (const bool without_guard : {false, true}) {
      INFO(static_cast<int>(method) << (without_guard ? ", its guard removed" : ""));
      scratch_directory place;
      signal_pipe locked;
      child_process holder = hold_after_reboot(place / "l", method, locked);
      locked.receive();
      if (without_guard) fs::remove(place / ".l.guard");  // what stands there is judged by itself
      CHECK_FALSE(lock_file(place / "l").try_lock());
      CHECK_FALSE(gets_after_reboot(place / "l"));
      holder.kill();
      CHECK(lock_file(place / "l").try_lock());
    }
  }
}

TEST_CASE("a contender that sees another boot does not rob a live holder, and succeeds a dead one at once") {
  if (!may_pretend()) return;
  for (const plant_method method : every_plant) {
    scratch_directory place;
    {
      lock_file holder = make(place / "l", method);
      holder.lock();
      CHECK_FALSE(gets_after_reboot(place / "l"));
      fs::remove(place / ".l.guard");
      CHECK_FALSE(gets_after_reboot(place / "l"));
      CHECK(fs::exists(place / "l"));
      child_process straggler([&] {  // a crash: the lock file stays, its kernel lock ends
        lock_file other = make(place / "m", method);
        other.lock();
        ::raise(SIGKILL);
        return 0;
      });
      CHECK(straggler.wait() == 128 + SIGKILL);
    }
    REQUIRE(fs::exists(place / "m"));
    CHECK(gets_after_reboot(place / "m"));
  }
}
