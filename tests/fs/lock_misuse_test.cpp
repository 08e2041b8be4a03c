/// Threads that end, objects that moved on, streams that are closed, files that change their meaning.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <optional>
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/lock_file.hpp>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

/// Locks when its thread, or the program, ends.
struct locks_at_the_end {
  fs::path path;
  ~locks_at_the_end() {
    if (path.empty()) return;
    lock_file lock(path);
    lock.lock();
    file_mutex mutex(path.string() + ".mutex");
    mutex.lock();
  }
};

}  // namespace

TEST_CASE("locks may be used while a thread's objects are destroyed") {
  testing::scratch_directory place;
  std::thread([&] {
    thread_local locks_at_the_end last;  // made before this thread's first lock: destroyed after what locks remember
    last.path = place / "l";
    lock_file first(place / "l");
    first.lock();
  }).join();
  CHECK(place.names() == std::set<std::string>{".l.guard", "l.mutex"});
}

TEST_CASE("a moved-from lock holds nothing, and says so") {
  testing::scratch_directory place;
  lock_file a(place / "l");
  a.lock();
  lock_file b(std::move(a));
  CHECK_FALSE(a.owns_lock());
  CHECK_FALSE(a.lost());
  CHECK(a.token().value == 0);
  a.unlock();
  CHECK(b.owns_lock());
  file_mutex c(place / "m");
  c.lock();
  const file_mutex d(std::move(c));
  CHECK_FALSE(c.owns_lock());
  c.unlock();
  CHECK(d.owns_lock());
}

TEST_CASE("a held lock that was moved to another thread is no deadlock of this one") {
  testing::scratch_directory place;
  lock_file here(place / "l");
  here.lock();
  std::promise<void> go;
  std::thread there([moved = std::move(here), waited = go.get_future()]() mutable {
    waited.wait();
    moved.unlock();
  });
  std::error_code ec;
  lock_file again(place / "l", {.on_wait = [&](const wait_notice&) { go.set_value(); }});
  CHECK(again.try_lock_until(deadline::never(), ec));
  CHECK_FALSE(ec);
  there.join();
}

TEST_CASE("one thread may share a mutex through two objects, also when it would wait for ever") {
  testing::scratch_directory place;
  file_mutex a(place / "m", {.timeout = no_timeout});
  file_mutex b(place / "m", {.timeout = no_timeout});
  a.lock_shared();
  b.lock_shared();
  CHECK(b.owns_lock());
  b.unlock();
  CHECK_THROWS_AS(b.lock(), error);
}

TEST_CASE("deadlines of other clocks may lie at their ends") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  CHECK(lock.try_lock_until(std::chrono::sys_seconds::max()));
  lock_file other(place / "l");
  CHECK_FALSE(other.try_lock_until(std::chrono::sys_seconds::min()));
  CHECK_FALSE(other.try_lock_until(std::chrono::steady_clock::time_point::min()));
  file_mutex mutex(place / "m");
  CHECK(mutex.try_lock_shared_until(std::chrono::steady_clock::time_point::max()));
}

TEST_CASE("a mutex does not overwrite what somebody wrote into its file while it was free") {
  testing::scratch_directory place;
  testing::write_file(place / "db", "");
  file_mutex mutex(place / "db");
  std::error_code ec;
  REQUIRE(mutex.try_lock(ec));
  mutex.unlock();
  testing::write_file(place / "db", "row");
  CHECK_FALSE(mutex.try_lock(ec));
  CHECK(ec == errc::not_a_lock_file);
  CHECK(testing::read_file(place / "db") == "row");
  testing::write_file(place / "db", std::string(256, '\0'));  // what a power cut can leave of a new file
  CHECK(mutex.try_lock(ec));
}

TEST_CASE("a mutex's file is not taken for a crashed lock file, and inspect knows that it is free") {
  testing::scratch_directory place;
  file_mutex mutex(place / "l");
  mutex.lock();
  CHECK(inspect(place / "l").state == lock_state::held);
  mutex.unlock();
  CHECK(inspect(place / "l").state == lock_state::free);
  lock_file lock(place / "l");
  CHECK_FALSE(lock.try_lock());
  CHECK(fs::exists(place / "l"));
}

TEST_CASE("behind readers, a timeout names one of them") {
  testing::scratch_directory place;
  file_mutex mine(place / "m", {.timeout = 20ms});
  mine.lock();
  mine.unlock();
  testing::signal_pipe reads;
  testing::signal_pipe end;
  testing::child_process reader([&] {
    file_mutex theirs(place / "m");
    theirs.lock_shared();
    reads.send();
    end.receive();
    return 0;
  });
  reads.receive();
  try {
    mine.lock();
    FAIL("not thrown");
  } catch (const lock_timeout& timeout) {
    CHECK(timeout.holder().pid == reader.pid());
  }
  end.send();
}

TEST_CASE("a lock's descriptor never takes the place of a closed standard stream") {
  testing::scratch_directory place;
  testing::child_process child([&] {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    lock_file lock(place / "l");
    lock.lock();
    file_mutex mutex(place / "m");
    mutex.lock();
    for (int fd = 0; fd <= 2; ++fd) {
      if (::fcntl(fd, F_GETFD) != -1) return 1;
    }
    return 0;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("the notice of a wait for a script's lock does not keep others out") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "");
  bool other_got_it = false;
  lock_file lock(place / "l", {.on_wait = [&](const wait_notice&) {
                   fs::remove(place / "l");
                   lock_file other(place / "l");
                   other_got_it = other.try_lock();
                 }});
  CHECK(lock.try_lock_for(30s));
  CHECK(other_got_it);
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("an unlock that can't remove the lock file says so, and the next holder takes it over") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  fault::arm({.what = fault::action::fail, .name = "unlinkat", .error = EROFS});
  lock.unlock();
  fault::disarm();
  CHECK(lock.left_behind());
  CHECK_FALSE(lock.lost());
  CHECK(lock.try_lock());
  CHECK_FALSE(lock.left_behind());
}

TEST_CASE("verify in one thread and unlock in another leave no lock behind") {
  testing::scratch_directory place;
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process child([&] {
    lock_file lock(place / "l");
    lock.lock();
    fs::remove(place / "l");
    fault::arm({.what = fault::action::stop,
                .name = "linkat",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    std::thread verifier([&] { (void)lock.verify(); });
    reached.receive();
    std::thread unlocker([&] { lock.unlock(); });
    resume.send();
    verifier.join();
    unlocker.join();
    return fs::exists(place / "l") || lock.owns_lock() ? 1 : 0;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("in a group's directory without links the guard is made all the same") {
  testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(02775));
  lock_file lock(place / "l");
  fault::arm({.what = fault::action::fail, .name = "linkat", .times = 1000, .error = EPERM});
  CHECK(lock.try_lock());
  fault::disarm();
}

#endif
