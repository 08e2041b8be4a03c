#include <lockkit/lock_file.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <thread>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

static_assert(!std::is_copy_constructible_v<lock_file> && std::is_nothrow_move_constructible_v<lock_file>);

namespace {

/// Whether another process could take the lock now.
bool is_free_for_others(const fs::path& path) {
  testing::child_process other([&] {
    lock_file lock(path);
    return lock.try_lock() ? 0 : 1;
  });
  return other.wait() == 0;
}

}  // namespace

TEST_CASE("the file exists while the lock is held, and only then") {
  testing::scratch_directory place;
  lock_file lock(place / "job.lock");
  CHECK(place.names().empty());
  lock.lock();
  CHECK(lock.owns_lock());
  CHECK(place.names() == std::set<std::string>{"job.lock", ".job.lock.guard"});
  CHECK_FALSE(is_free_for_others(lock.path()));
  lock.unlock();
  CHECK_FALSE(lock.owns_lock());
  CHECK_FALSE(lock.lost());
  CHECK(place.names() == std::set<std::string>{".job.lock.guard"});
  CHECK(is_free_for_others(lock.path()));
}

TEST_CASE("the lock file's first line is the holder's PID, as a shell reads it") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  const std::scoped_lock hold(lock);
  const auto script = "read p < '" + lock.path().string() + "' && echo \"<$p>\"";
  const std::string expected = "<" + std::to_string(::getpid()) + ">\n";
  for (const char* shell : {"bash", "dash"}) {
    const auto printed = testing::capture_program({shell, "-c", script});
    // `read` strips the padding's blanks.
    CHECK(printed.text == expected);
  }
}

TEST_CASE("a lock file works with unique_lock and lock") {
  testing::scratch_directory place;
  lock_file a(place / "a");
  lock_file b(place / "b");
  {
    std::unique_lock first(a, std::defer_lock);
    std::unique_lock second(b, std::defer_lock);
    std::lock(first, second);
    CHECK(a.owns_lock());
    CHECK(b.owns_lock());
    CHECK_FALSE(is_free_for_others(a.path()));
  }
  std::unique_lock timed(a, 1s);
  CHECK(timed.owns_lock());
}

TEST_CASE("two objects of one process exclude each other") {
  testing::scratch_directory place;
  lock_file a(place / "l");
  lock_file b(place / "l");
  REQUIRE(a.try_lock());
  CHECK_FALSE(b.try_lock());
  CHECK_FALSE(b.try_lock_for(30ms));
  a.unlock();
  CHECK(b.try_lock());
}

TEST_CASE("threads that share one object exclude each other") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  int inside = 0;
  int turns = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const std::scoped_lock hold(lock);
        if (++inside != 1) std::abort();
        ++turns;
        --inside;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(turns == 800);
}

TEST_CASE("a lock taken by one thread is released by another") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  std::thread([&] { lock.lock(); }).join();
  CHECK_FALSE(is_free_for_others(lock.path()));
  lock.unlock();
  CHECK(is_free_for_others(lock.path()));
  lock.lock();
}

TEST_CASE("a wait ends at its deadline, and a try does not wait") {
  testing::scratch_directory place;
  lock_file holder(place / "l");
  lock_file waiter(place / "l");
  const std::scoped_lock hold(holder);
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(waiter.try_lock_for(100ms));
  CHECK(std::chrono::steady_clock::now() - began >= 100ms);
  CHECK_FALSE(waiter.try_lock_until(std::chrono::system_clock::now() + 50ms));
  CHECK_FALSE(waiter.try_lock_until(std::chrono::system_clock::time_point::min()));
  CHECK_FALSE(waiter.try_lock_for(0s));
  CHECK_FALSE(waiter.try_lock_for(-1h));
  std::error_code ec = std::make_error_code(std::errc::io_error);
  CHECK_FALSE(waiter.try_lock(ec));
  CHECK_FALSE(ec);
}

TEST_CASE("lock() throws a lock_timeout that names the holder") {
  testing::scratch_directory place;
  lock_file holder(place / "l", {.label = "the holder"});
  lock_file waiter(place / "l", {.timeout = 20ms});
  const std::scoped_lock hold(holder);
  try {
    waiter.lock();
    FAIL("not thrown");
  } catch (const lock_timeout& timeout) {
    CHECK(timeout.holder().pid == ::getpid());
    CHECK(timeout.holder().label == "the holder");
    CHECK(timeout.path() == waiter.path());
  }
}

TEST_CASE("a waiter says once whom it waits for") {
  testing::scratch_directory place;
  int said = 0;
  std::int32_t pid = 0;
  lock_file holder(place / "l");
  lock_file waiter(place / "l", {.on_wait = [&](const wait_notice& notice) {
                     ++said;
                     pid = notice.holder.pid;
                     CHECK_FALSE(notice.foreign);
                   }});
  const std::scoped_lock hold(holder);
  CHECK_FALSE(waiter.try_lock_for(60ms));
  CHECK(said == 1);
  CHECK(pid == ::getpid());
}

TEST_CASE("an exception from on_wait leaves the lock as it was, for everybody") {
  testing::scratch_directory place;
  lock_file holder(place / "l");
  lock_file waiter(place / "l", {.on_wait = [](const wait_notice&) { throw std::runtime_error("no"); }});
  holder.lock();
  CHECK_THROWS_AS(waiter.lock(), std::runtime_error);
  holder.unlock();
  CHECK(waiter.try_lock());
  waiter.unlock();
  testing::write_file(place / "l", "");  // foreign: the wait begins under the guard's lock
  CHECK_THROWS_AS(waiter.lock(), std::runtime_error);
  fs::remove(place / "l");
  CHECK(holder.try_lock());
}

TEST_CASE("a requested stop ends a wait") {
  testing::scratch_directory place;
  lock_file holder(place / "l");
  lock_file waiter(place / "l");
  const std::scoped_lock hold(holder);
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    std::error_code ec;
    return waiter.try_lock_until(deadline::never(), stop.get_token(), ec) || ec;
  });
  stop.request_stop();
  CHECK_FALSE(waiting.get());
}

TEST_CASE("a thread that would wait for itself for ever is told so") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock_file same_path(place / "l");
  lock.lock();
  std::error_code ec;
  CHECK_FALSE(lock.try_lock_until(deadline::never(), ec));
  CHECK(ec == errc::would_deadlock);
  CHECK_FALSE(same_path.try_lock_until(deadline::never(), ec));
  CHECK(ec == errc::would_deadlock);
  CHECK_FALSE(lock.try_lock());
  CHECK(lock.owns_lock());
  lock.unlock();
  CHECK(same_path.try_lock_until(deadline::never(), ec));
  CHECK_FALSE(ec);
}

TEST_CASE("move assignment releases the lock that the target held") {
  testing::scratch_directory place;
  lock_file a(place / "a");
  lock_file b(place / "b");
  a.lock();
  b.lock();
  a = std::move(b);
  CHECK_FALSE(fs::exists(place / "a"));  // released, not merely let go of
  CHECK(is_free_for_others(place / "a"));
  CHECK_FALSE(is_free_for_others(place / "b"));
  CHECK(a.path() == place / "b");
  lock_file c(std::move(a));
  CHECK(c.owns_lock());
  CHECK_FALSE(is_free_for_others(place / "b"));
}

TEST_CASE("destroying a held lock releases it and closes its descriptors") {
  testing::scratch_directory place;
  const auto before = testing::open_descriptors();
  {
    lock_file lock(place / "l");
    lock.lock();
    CHECK(testing::open_descriptors() > before);
  }
  CHECK(testing::open_descriptors() == before);
  CHECK(is_free_for_others(place / "l"));
}

TEST_CASE("tokens grow over holders, processes, crashes and a destroyed record") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  CHECK(lock.token().value == 0);
  fencing_token last;
  for (int round = 0; round < 5; ++round) {
    testing::child_process other([&] {
      lock_file mine(place / "l");
      mine.lock();
      ::raise(SIGKILL);
      return 0;
    });
    other.wait();
    if (round == 3) fs::resize_file(place / ".l.guard", 0);
    lock.lock();
    CHECK(lock.token() > last);
    last = lock.token();
    lock.unlock();
  }
}

TEST_CASE("a token grows also when the clock is far behind the last one") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  lock.unlock();
  std::string record = testing::read_file(place / ".l.guard");
  const std::size_t digits = record.find(" fence=") + 7;
  record.replace(digits, 20, "18000000000000000000");
  testing::write_file(place / ".l.guard", record);
  for (std::uint64_t next = 18'000'000'000'000'000'001U; next < 18'000'000'000'000'000'004U; ++next) {
    lock.lock();
    CHECK(lock.token().value == next);
    lock.unlock();
  }
}

TEST_CASE("a killed holder is succeeded at once, without anybody judging") {
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
  CHECK_FALSE(is_free_for_others(place / "l"));
  holder.kill();
  CHECK(fs::exists(place / "l"));
  lock_file next(place / "l");
  CHECK(next.try_lock());
  next.unlock();
  CHECK_FALSE(fs::exists(place / "l"));
}

TEST_CASE("a stopped holder keeps its lock") {
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
  holder.signal(SIGSTOP);
  lock_file other(place / "l");
  CHECK_FALSE(other.try_lock_for(100ms));
  holder.signal(SIGCONT);
}

TEST_CASE("a removed lock file is noticed and nothing of others is touched") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  fs::remove(lock.path());
  testing::write_file(lock.path(), "somebody's");
  lock.unlock();
  CHECK(lock.lost());
  CHECK(testing::read_file(lock.path()) == "somebody's");
  fs::remove(lock.path());
  lock.lock();
  CHECK_FALSE(lock.lost());
}

TEST_CASE("lockkit's processes stay excluded when a script removes the lock file of a holder") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  fs::remove(lock.path());
  CHECK_FALSE(is_free_for_others(place / "l"));
  CHECK(lock.verify() == verify_result::restored);
  CHECK(fs::exists(lock.path()));
  CHECK(lock.verify() == verify_result::held);
  lock.unlock();
  CHECK_FALSE(lock.lost());
}

TEST_CASE("lockkit's processes stay excluded when a script removes the guard of a holder") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  fs::remove(place / ".l.guard");
  CHECK_FALSE(is_free_for_others(place / "l"));
  CHECK(lock.verify() == verify_result::lost);
  lock.unlock();
  CHECK(is_free_for_others(place / "l"));
  CHECK(lock.try_lock());
}

TEST_CASE("verify reports a replaced lock file as lost and needs a held lock") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  std::error_code ec;
  (void)lock.verify(ec);
  CHECK(ec == errc::not_held);
  lock.lock();
  fs::remove(lock.path());
  testing::write_file(lock.path(), "123\n");
  CHECK(lock.verify() == verify_result::lost);
  CHECK(testing::read_file(lock.path()) == "123\n");
}

TEST_CASE("a lock survives its directory being removed and made again") {
  testing::scratch_directory place;
  fs::create_directory(place / "d");
  lock_file lock(place / "d" / "l");
  lock.lock();
  fs::remove_all(place / "d");
  lock.unlock();
  CHECK(lock.lost());
  std::error_code ec;
  CHECK_FALSE(lock.try_lock(ec));
  CHECK(ec == std::errc::no_such_file_or_directory);
  fs::create_directory(place / "d");
  CHECK(lock.try_lock());
  CHECK(fs::exists(lock.path()));
}

TEST_CASE("parents are made on request only") {
  testing::scratch_directory place;
  lock_file plain(place / "a" / "b" / "l");
  CHECK_THROWS_AS(plain.lock(), error);
  CHECK(place.names().empty());
  lock_file making(place / "a" / "b" / "l", {.create_parents = true});
  CHECK(making.try_lock());
}

TEST_CASE("a relative path stays where it was when the process changes its directory") {
  testing::scratch_directory place;
  testing::child_process child([&] {
    fs::current_path(place.path());
    lock_file lock("l");
    fs::create_directory("sub");
    fs::current_path("sub");
    lock.lock();
    return fs::exists(place / "l") ? 0 : 1;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("many damaged guards heal, and a truncated one harms nobody who waits") {
  testing::scratch_directory place;
  lock_file lock(place / "l");
  lock.lock();
  lock_file waiter(place / "l");
  auto waiting = std::async(std::launch::async, [&] { return waiter.try_lock_for(20s); });
  for (int i = 0; i < 50; ++i) {
    testing::write_file(lock.path(), i % 2 == 0 ? "" : std::string(5000, 'x'));  // `: > lock`, and junk
    std::this_thread::sleep_for(1ms);
  }
  lock.unlock();
  CHECK(waiting.get());
  waiter.unlock();
  testing::write_file(place / ".l.guard", "junk");
  CHECK(lock.try_lock());
  CHECK(testing::read_file(lock.path()).substr(0, 4) != "junk");
}
