#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/file_mutex.hpp>
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

TEST_CASE("inspect names those who wait for a lockkit holder and behind a script's lock") {
  testing::scratch_directory place;
  const bool foreign = GENERATE(false, true);
  testing::signal_pipe held;
  testing::signal_pipe end;
  testing::child_process holder([&] {  // a process of its own: children of a holder inherit the lock
    lock_file lock(place / "l");
    if (foreign) testing::write_file(place / "l", "4711\n");
    if (!foreign) lock.lock();
    held.send();
    end.receive();
    if (foreign) std::filesystem::remove(place / "l");
    return 0;
  });
  held.receive();
  testing::signal_pipe waits;
  const auto wait_for_it = [&] {
    lock_file lock(place / "l", {.on_wait = [&](const wait_notice&) { waits.send(); }});
    lock.lock();
    return 0;
  };
  testing::child_process first(wait_for_it);
  testing::child_process second(wait_for_it);
  waits.receive();
  waits.receive();
  std::vector<std::int32_t> expected = {first.pid(), second.pid()};
  std::sort(expected.begin(), expected.end());
  while (inspect(place / "l").waiters.size() < 2) {  // the mark comes right after the notice
  }
  CHECK(inspect(place / "l").waiters == expected);
  end.send();
  CHECK(holder.wait() == 0);
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
}

TEST_CASE("wait_until_free returns at a release, at a death, at a script's end, and not before") {
  testing::scratch_directory place;
  CHECK(wait_until_free(place / "l", deadline()));
  const int way = GENERATE(0, 1, 2, 3);
  testing::signal_pipe held;
  testing::signal_pipe end;
  testing::child_process holder([&] {
    lock_file lock(place / "l");
    file_mutex mutex(place / "l");
    if (way < 2) lock.lock();
    if (way == 2) mutex.lock();
    if (way == 3) testing::write_file(place / "l", "4711\n");
    held.send();
    end.receive();
    if (way == 1) ::_exit(0);  // dead, and not waited for: it stays in the list of processes
    if (way == 3) std::filesystem::remove(place / "l");
    return 0;
  });
  held.receive();
  CHECK_FALSE(wait_until_free(place / "l", deadline::after(std::chrono::milliseconds(20))));
  testing::signal_pipe free;
  testing::child_process waiter([&] {
    const bool result = wait_until_free(place / "l", deadline::after(std::chrono::seconds(60)));
    free.send();
    return result ? 0 : 1;
  });
  CHECK_FALSE(free.ready(20));
  end.send();
  CHECK(waiter.wait() == 0);
  CHECK(holder.wait() == 0);
}
