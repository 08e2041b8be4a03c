/// Every way of planting the lock file (rules 4 and 6), and what a crash leaves of each.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using detail::plant_method;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

lock_file make(const fs::path& path, plant_method method) {
  lock_file lock(path);
  detail::lock_file_internals::use_plant(lock, method);
  return lock;
}

const std::vector<plant_method> methods = {plant_method::automatic, plant_method::own_file, plant_method::exclusive};

}  // namespace

TEST_CASE("each plant excludes the others and leaves nothing but the guard") {
  for (const auto method : methods) {
    for (const auto rival_method : methods) {
      INFO(static_cast<int>(method) << " against " << static_cast<int>(rival_method));
      testing::scratch_directory place;
      lock_file lock = make(place / "l", method);
      lock_file rival = make(place / "l", rival_method);
      lock.lock();
      CHECK((fs::hard_link_count(place / "l") == 2) == (method == plant_method::automatic));
      CHECK_FALSE(rival.try_lock());
      CHECK(lock.verify() == verify_result::held);
      lock.unlock();
      CHECK(place.names() == std::set<std::string>{".l.guard"});
      CHECK(rival.try_lock());
    }
  }
}

TEST_CASE("a crash during a hold by any plant is succeeded at once by any other") {
  for (const auto method : methods) {
    for (const auto next_method : methods) {
      INFO(static_cast<int>(method) << " then " << static_cast<int>(next_method));
      testing::scratch_directory place;
      testing::child_process holder([&] {
        lock_file lock = make(place / "l", method);
        lock.lock();
        ::raise(SIGKILL);
        return 0;
      });
      CHECK(holder.wait() == 128 + SIGKILL);
      REQUIRE(fs::exists(place / "l"));
      lock_file next = make(place / "l", next_method);
      CHECK(next.try_lock());
      next.unlock();
      CHECK(place.names() == std::set<std::string>{".l.guard"});
    }
  }
}

TEST_CASE("a lock file whose guard was removed by a script is recovered when its holder is dead, and only then") {
  testing::scratch_directory place;
  testing::signal_pipe locked;
  testing::child_process holder([&] {
    lock_file lock(place / "l");
    lock.lock();
    locked.send();
    ::pause();
    return 0;
  });
  locked.receive();
  fs::remove(place / ".l.guard");
  lock_file next(place / "l");
  CHECK_FALSE(next.try_lock());
  holder.kill();
  CHECK(next.try_lock());
}

TEST_CASE("a file with lockkit's record in it but another kernel's boot is dead on a local filesystem") {
  testing::scratch_directory place;
  {
    lock_file lock(place / "l");
    lock.lock();
    std::string record = testing::read_file(place / "l");
    record[record.find(" b=") + 3] ^= 1;
    testing::write_file(place / "copy", record);
  }
  fs::remove(place / ".l.guard");
  fs::rename(place / "copy", place / "l");
  lock_file next(place / "l");
  CHECK(next.try_lock());
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("where links by descriptor are refused an own file is planted, without RENAME_NOREPLACE an exclusive one") {
  for (const int error : {EPERM, EACCES, EMLINK, EOPNOTSUPP, EXDEV, EIO}) {
    testing::scratch_directory place;
    lock_file lock(place / "l");
    fault::arm({.what = fault::action::fail, .name = "linkat", .times = 1000, .error = error});
    CHECK(lock.try_lock());
    fault::disarm();
    CHECK(fs::hard_link_count(place / "l") == 1);
    CHECK(place.names() == std::set<std::string>{".l.guard", "l"});
  }
  for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    testing::scratch_directory place;
    lock_file lock = make(place / "l", plant_method::own_file);
    fault::arm({.what = fault::action::fail, .name = "renameat2", .times = 1000, .error = error});
    CHECK(lock.try_lock());
    fault::disarm();
    CHECK(place.names() == std::set<std::string>{".l.guard", "l"});
    lock.unlock();
    CHECK(place.names() == std::set<std::string>{".l.guard"});
  }
}

TEST_CASE("a kernel without AT_EMPTY_PATH links through /proc") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  fault::arm({.what = fault::action::fail, .name = "linkat", .error = ENOENT});
  CHECK(lock.try_lock());
  fault::disarm();
  CHECK(fs::hard_link_count(place / "l") == 2);
}

TEST_CASE("a kernel that refuses locks gives an error and never a lock") {
  for (const int error : {ENOSYS, EOPNOTSUPP, ENOLCK}) {
    testing::scratch_directory place;
    lock_file lock(place / "l");
    fault::arm({.what = fault::action::fail, .name = "flock", .error = error});
    std::error_code ec;
    CHECK_FALSE(lock.try_lock(ec));
    fault::disarm();
    CHECK(ec == errc::unsupported_filesystem);
    CHECK_FALSE(fs::exists(place / "l"));
  }
}

TEST_CASE("a crash between exclusive creation and record leaves a file that counts as held until a person removes it") {
  testing::scratch_directory place;
  testing::child_process holder([&] {
    lock_file lock = make(place / "l", plant_method::exclusive);
    (void)lock.try_lock();
    lock.unlock();
    fault::arm({.what = fault::action::die, .name = "flock", .nth = 2});  // the guard's, then the new file's
    (void)lock.try_lock();
    return 0;
  });
  CHECK(holder.wait() == 128 + SIGKILL);
  CHECK(fs::file_size(place / "l") == 0);
  lock_file next(place / "l");
  CHECK_FALSE(next.try_lock());
  fs::remove(place / "l");
  CHECK(next.try_lock());
}

TEST_CASE("a foreign file that takes the name between record and plant is respected") {
  for (const auto method : methods) {
    testing::scratch_directory place;
    testing::signal_pipe reached;
    testing::signal_pipe resume;
    testing::child_process child([&] {
      lock_file lock = make(place / "l", method);
      fault::arm({.what = fault::action::stop,
                  .name = "lock_file.stamped",
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
      return lock.try_lock() ? 1 : 0;
    });
    reached.receive();
    testing::write_file(place / "l", "1\n");
    resume.send();
    CHECK(child.wait() == 0);
    CHECK(testing::read_file(place / "l") == "1\n");
    CHECK(place.names() == std::set<std::string>{".l.guard", "l"});
  }
}

TEST_CASE("a guard unlinked between lock and plant makes the holder begin again with the new one") {
  testing::scratch_directory place;
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::signal_pipe locked;
  testing::signal_pipe end;
  testing::child_process child([&] {
    lock_file lock(place / "l");
    fault::arm({.what = fault::action::stop,
                .name = "lock_file.stamped",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    lock.lock();
    locked.send();
    end.receive();
    return 0;
  });
  reached.receive();
  fs::remove(place / ".l.guard");
  lock_file other(place / "l");
  REQUIRE(other.try_lock());  // on a new guard
  resume.send();
  CHECK_FALSE(locked.ready(100));
  other.unlock();
  locked.receive();
  CHECK_FALSE(other.try_lock());
  CHECK(fs::hard_link_count(place / "l") == 2);  // of the new guard
  end.send();
  CHECK(child.wait() == 0);
}

TEST_CASE("an orphan replaced between its lock and its comparison is not deleted") {
  testing::scratch_directory place;
  testing::child_process dead([&] {
    lock_file lock = make(place / "l", plant_method::own_file);
    lock.lock();
    ::raise(SIGKILL);
    return 0;
  });
  dead.wait();
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process next([&] {
    lock_file lock(place / "l");
    fault::arm({.what = fault::action::stop,
                .name = "lock_file.orphan_locked",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return lock.try_lock() ? 1 : 0;
  });
  reached.receive();
  fs::remove(place / "l");
  testing::write_file(place / "l", "a live script's\n");
  resume.send();
  CHECK(next.wait() == 0);
  CHECK(testing::read_file(place / "l") == "a live script's\n");
}

#endif
