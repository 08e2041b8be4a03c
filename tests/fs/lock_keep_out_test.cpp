/// keep_out::everyone: programs with POSIX's record locks are kept out as well, and nobody waits in a circle with them.
///
/// Seen to fail: without the record lock, on the guard and on an own file; with it taken after the plant; with the guard's
/// lock kept while another program is waited for (the circle); with a wait that found no place for its mark once, and woke
/// nobody ever after; with another program's lock taken for a ticket; with a locked orphan removed, and a locked guard
/// swept away; with a refused record lock taken for a grant; with an own file unlocked by closing alone (a child had it);
/// with an ephemeral guard removed by who was refused.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/interprocess/sync/file_lock.hpp>
#include <future>

#include <lockkit/lock_file.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "fs/plant.hpp"
#include "fs/wait_watching.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/record_locker.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using detail::plant_method;
using testing::record_locker;
using testing::record_order;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

const lock_options everyone = {.excludes = keep_out::everyone};

/// One that opened the lock file while lockkit held it, and has its lock by now.
record_locker late_comer(const fs::path& path, record_order order = record_order::try_exclusive) {
  lock_file lock(path);
  lock.lock();
  record_locker other(path);
  lock.unlock();
  REQUIRE(other.tell(order));
  return other;
}

bool boost_gets(const fs::path& path) {
  testing::child_process child([&] { return boost::interprocess::file_lock(path.c_str()).try_lock() ? 0 : 1; });
  return child.wait() == 0;
}

bool flock_gets(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const bool got = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  return got;
}

}  // namespace

TEST_CASE("while everyone is kept out, no record lock of any kind, no flock and no exclusive creation is had") {
  for (const auto method : {plant_method::automatic, plant_method::own_file}) {
    testing::scratch_directory place;
    lock_file lock(place / "l", everyone);
    detail::lock_file_internals::use_plant(lock, method);
    for (int round = 0; round < 2; ++round) {
      lock.lock();
      const record_locker other(place / "l");
      CHECK_FALSE(other.tell(record_order::try_exclusive));
      CHECK_FALSE(other.tell(record_order::try_shared));
      CHECK_FALSE(other.tell(record_order::try_first_byte));
      CHECK_FALSE(boost_gets(place / "l"));
      CHECK_FALSE(flock_gets(place / "l"));
      CHECK(::open((place / "l").c_str(), O_CREAT | O_EXCL | O_RDWR, 0666) == -1);
      lock.unlock();
      CHECK(other.tell(record_order::try_exclusive));
      CHECK(other.tell(record_order::unlock));
    }
  }
}

TEST_CASE("a lock that does not keep everyone out leaves record locks to others") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  const record_locker other(place / "l");
  CHECK(other.tell(record_order::try_exclusive));
}

TEST_CASE("a record lock that was had after an earlier hold is waited for, named, and holds up nobody else") {
  for (const auto order : {record_order::try_exclusive, record_order::try_shared, record_order::try_first_byte}) {
    testing::scratch_directory place;
    const record_locker other = late_comer(place / "l", order);
    lock_file lock(place / "l", {.timeout = 20ms, .excludes = keep_out::everyone});
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(fs::exists(place / "l"));
    try {
      lock.lock();
      FAIL("not thrown");
    } catch (const lock_timeout& timeout) {
      CHECK(timeout.holder().pid == other.pid());
      CHECK(timeout.foreign());
    }
    CHECK(lock_file(place / "l").try_lock());  // it does not ask for that
    CHECK(other.tell(record_order::unlock));
    CHECK(lock.try_lock());
  }
}

TEST_CASE("who waits for a record lock has the lock when that is let go of, or its holder dies") {
  for (const bool dies : {false, true}) {
    testing::scratch_directory place;
    record_locker other = late_comer(place / "l");
    std::promise<std::int32_t> waits;
    lock_file lock(place / "l", {.excludes = keep_out::everyone, .on_wait = [&](const wait_notice& notice) {
                                   CHECK(notice.foreign);
                                   waits.set_value(notice.holder.pid);
                                 }});
    auto waiting = std::async(std::launch::async, [&] { return lock.try_lock_for(30s); });
    CHECK(waits.get_future().get() == other.pid());
    if (dies) other.kill();
    if (!dies) CHECK(other.tell(record_order::unlock));
    CHECK(waiting.get());
    CHECK(fs::exists(place / "l"));
  }
}

TEST_CASE("a program that makes its shared record lock exclusive waits in no circle with those who wait for it") {
  testing::scratch_directory place;
  const record_locker other = late_comer(place / "l", record_order::try_shared);
  std::vector<testing::child_process> waiters;
  testing::signal_pipe waits;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      lock_file lock(place / "l",
                     {.excludes = keep_out::everyone, .on_wait = [&](const wait_notice&) { waits.send(); }});
      return lock.try_lock_for(20s) ? 0 : 1;
    });
  }
  for (int i = 0; i < 3; ++i) waits.receive();
  other.begin(record_order::wait_exclusive);
  REQUIRE(other.is_done(10'000));  // half of what the others would wait
  CHECK(other.outcome());
  CHECK(other.tell(record_order::unlock));
  for (auto& waiter : waiters) CHECK(waiter.wait() == 0);
}

TEST_CASE("a killed holder that kept everyone out is succeeded, after who locked its leftover") {
  testing::scratch_directory place;
  testing::signal_pipe locked;
  testing::child_process holder([&] {
    lock_file lock(place / "l", everyone);
    lock.lock();
    locked.send();
    ::pause();
    return 0;
  });
  locked.receive();
  const record_locker other(place / "l");
  CHECK_FALSE(other.tell(record_order::try_exclusive));
  holder.kill();
  CHECK(other.tell(record_order::try_exclusive));
  lock_file next(place / "l", everyone);
  CHECK_FALSE(next.try_lock());
  CHECK(other.tell(record_order::unlock));
  CHECK(next.try_lock());
  CHECK_FALSE(other.tell(record_order::try_exclusive));
}

TEST_CASE("a dead holder's own file that another program has locked is not removed under it") {
  testing::scratch_directory place;
  testing::child_process dead([&] {
    lock_file lock(place / "l", everyone);
    detail::lock_file_internals::use_plant(lock, plant_method::own_file);
    lock.lock();
    ::raise(SIGKILL);
    return 0;
  });
  dead.wait();
  const record_locker other(place / "l");
  CHECK(other.tell(record_order::try_exclusive));
  lock_file next(place / "l", everyone);
  CHECK_FALSE(next.try_lock());
  CHECK(other.tell(record_order::unlock));
  CHECK(next.try_lock());
}

TEST_CASE("a lock file restored by verify keeps everyone out again") {
  for (const auto method : {plant_method::automatic, plant_method::own_file}) {
    testing::scratch_directory place;
    lock_file lock(place / "l", everyone);
    detail::lock_file_internals::use_plant(lock, method);
    lock.lock();
    fs::remove(place / "l");
    CHECK(lock.verify() == verify_result::restored);
    CHECK_FALSE(record_locker(place / "l").tell(record_order::try_exclusive));
  }
}

TEST_CASE("who waits while another program has locked the whole guard gets its turn, and wakes others afterwards") {
  testing::scratch_directory place;
  std::promise<void> waits;
  lock_file kept(place / "l", {.on_wait = [&](const wait_notice&) { waits.set_value(); }});
  {
    const record_locker other = late_comer(place / "l");
    lock_file holder(place / "l");
    holder.lock();
    auto waiting = std::async(std::launch::async, [&] { return kept.try_lock_for(30s); });
    waits.get_future().wait();
    holder.unlock();
    REQUIRE(waiting.get());  // there was no place for its mark
  }
  const int fd = ::open((place / "l").c_str(), O_RDWR | O_CLOEXEC);
  struct flock mark{};  // as though somebody waited now
  mark.l_type = F_RDLCK;
  mark.l_start = off_t{1} << 40;
  mark.l_len = 1;
  REQUIRE(::fcntl(fd, F_OFD_SETLK, &mark) == 0);
  const auto word = [&] { return testing::read_file(place / ".l.guard").substr(244, 4); };
  const std::string held = word();
  kept.unlock();
  CHECK(word() != held);
  ::close(fd);
}

TEST_CASE(
    "who waits in order while another program has locked the whole guard gets in, though there is no place for a "
    "ticket") {
  testing::scratch_directory place;
  const record_locker other = late_comer(place / "l");
  lock_file holder(place / "l", {.order = wait_order::first_come});
  REQUIRE(holder.try_lock());
  std::promise<void> waits;
  auto waiting = std::async(std::launch::async, [&] {
    lock_file mine(place / "l",
                   {.on_wait = [&](const wait_notice&) { waits.set_value(); }, .order = wait_order::first_come});
    return mine.try_lock_for(30s);
  });
  waits.get_future().wait();
  holder.unlock();
  CHECK(waiting.get());
}

TEST_CASE("a guard on which another program has a record lock is not swept away") {
  testing::scratch_directory place;
  const record_locker other = late_comer(place / "l");
  CHECK(sweep_leftovers(place.path()).empty());
  CHECK(other.tell(record_order::unlock));
  CHECK(sweep_leftovers(place.path()).size() == 1);
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("where record locks can't be had, keeping everyone out is a clear error and leaves the lock free") {
  for (const auto method : {plant_method::automatic, plant_method::own_file}) {
    for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP, ENOLCK}) {
      for (const std::uint64_t nth : {1, 2}) {  // the guard's, the own file's
        if (nth == 2 && method == plant_method::automatic) continue;
        testing::scratch_directory place;
        lock_file lock(place / "l", everyone);
        detail::lock_file_internals::use_plant(lock, method);
        REQUIRE(lock.try_lock());
        lock.unlock();
        fault::arm({.what = fault::action::fail, .name = "fcntl", .nth = nth, .error = error});
        std::error_code ec;
        CHECK_FALSE(lock.try_lock(ec));
        fault::disarm();
        CHECK(ec == errc::unsupported_filesystem);
        CHECK(place.names() == std::set<std::string>{".l.guard"});
        CHECK(lock_file(place / "l").try_lock());
        CHECK(lock.try_lock());
      }
    }
  }
}

TEST_CASE("a guard stays if another program gave its record lock back just when it kept out who would remove it") {
  testing::scratch_directory place;
  const record_locker other = late_comer(place / "l");
  testing::signal_pipe refused;
  testing::signal_pipe resume;
  testing::child_process child([&] {
    lock_file lock(place / "l", {.excludes = keep_out::everyone, .ephemeral_guard = true});
    fault::arm({.what = fault::action::stop,
                .name = "lock_file.content_locked",
                .announce_fd = refused.write_end(),
                .resume_fd = resume.read_end()});
    return lock.try_lock() ? 1 : 0;
  });
  refused.receive();
  CHECK(other.tell(record_order::unlock));
  resume.send();
  CHECK(child.wait() == 0);
  CHECK(other.tell(record_order::try_exclusive));
  CHECK_FALSE(lock_file(place / "l", everyone).try_lock());
}

TEST_CASE("where only exclusive creation makes the lock file, keeping everyone out is a clear error") {
  testing::scratch_directory place;
  lock_file lock(place / "l", everyone);
  detail::lock_file_internals::use_plant(lock, plant_method::own_file);
  fault::arm({.what = fault::action::fail, .name = "renameat2", .times = 1000, .error = EINVAL});
  std::error_code ec;
  CHECK_FALSE(lock.try_lock(ec));
  fault::disarm();
  CHECK(ec == errc::unsupported_filesystem);
  CHECK(place.names() == std::set<std::string>{".l.guard"});
}

TEST_CASE("a program that locks the lock file the moment it appears is refused: the record lock was there before") {
  for (const auto method : {plant_method::automatic, plant_method::own_file}) {
    testing::scratch_directory place;
    testing::signal_pipe reached;
    testing::signal_pipe resume;
    testing::child_process child([&] {
      lock_file lock(place / "l", everyone);
      detail::lock_file_internals::use_plant(lock, method);
      fault::arm({.what = fault::action::stop,
                  .name = "lock_file.planted",
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
      return lock.try_lock() ? 0 : 1;
    });
    reached.receive();
    CHECK_FALSE(record_locker(place / "l").tell(record_order::try_exclusive));
    resume.send();
    CHECK(child.wait() == 0);
  }
}

#endif
