#include <sched.h>
#include <unistd.h>

#include <lockkit/inspect.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;

TEST_CASE("inspect tells free, held, stale and foreign apart") {
  testing::scratch_directory place;
  CHECK(inspect(place / "l").state == lock_state::free);
  CHECK(inspect(place / "no" / "such" / "l").state == lock_state::free);

  lock_file lock(place / "l", {.label = "inspected"});
  lock.lock();
  const auto held = inspect(place / "l");
  CHECK(held.state == lock_state::held);
  REQUIRE(held.holder);
  CHECK(held.holder->pid == ::getpid());
  CHECK(held.holder->label == "inspected");
  CHECK(held.holders == std::vector<std::int32_t>{::getpid()});
  lock.unlock();
  CHECK(inspect(place / "l").state == lock_state::free);

  testing::child_process dead([&] {
    lock_file theirs(place / "l");
    theirs.lock();
    ::_exit(0);
    return 0;
  });
  const int pid = dead.pid();
  dead.wait();
  const auto stale = inspect(place / "l");
  CHECK(stale.state == lock_state::stale);
  CHECK(stale.holder->pid == pid);
  CHECK(lock.try_lock());
  lock.unlock();

  testing::write_file(place / "l", "4711\nweb1\n");
  const auto foreign = inspect(place / "l");
  CHECK(foreign.state == lock_state::foreign);
  CHECK(foreign.holder->pid == 4711);
  CHECK(foreign.holder->host == "web1");
}

TEST_CASE("inspect names a child that inherited the lock of its dead parent") {
  testing::scratch_directory place;
  testing::signal_pipe ready;
  testing::signal_pipe end;
  testing::child_process parent([&] {
    lock_file lock(place / "l");
    lock.lock();
    if (::fork() == 0) {
      ready.send();
      end.receive();
      ::_exit(0);
    }
    ::pause();
    return 0;
  });
  ready.receive();
  parent.kill();
  const auto found = inspect(place / "l");
  CHECK(found.state == lock_state::held);
  CHECK(found.holders.size() == 1);
  end.send();
}

TEST_CASE("inspect takes nothing: a try beside it always succeeds") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  testing::signal_pipe end;
  testing::child_process inspector([&] {
    while (!end.ready(0)) (void)inspect(place / "l");
    return 0;
  });
  for (int i = 0; i < 300; ++i) {
    REQUIRE(lock.try_lock());
    lock.unlock();
  }
  end.send();
  CHECK(inspector.wait() == 0);
}

TEST_CASE("inspect refuses bad names and follows no link") {
  testing::scratch_directory place;
  std::error_code ec;
  (void)inspect("", ec);
  CHECK(ec == errc::invalid_name);
  std::filesystem::create_symlink("/etc/passwd", place / "l");
  CHECK(inspect(place / "l").state == lock_state::foreign);
  CHECK_FALSE(inspect(place / "l").holder);
}
