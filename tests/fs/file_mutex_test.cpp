#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>

#include <lockkit/file_mutex.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_CASE("a mutex's file stays and names its last exclusive owner") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m", {.label = "me"});
  CHECK(place.names().empty());
  mutex.lock();
  CHECK(mutex.token().value != 0);
  mutex.unlock();
  CHECK(place.names() == std::set<std::string>{"m"});
  CHECK(testing::read_file(place / "m").find(" l=me ") != std::string::npos);
}

TEST_CASE("shared holders share, an exclusive one excludes") {
  testing::scratch_directory place;
  file_mutex a(place / "m");
  file_mutex b(place / "m");
  file_mutex c(place / "m");
  a.lock_shared();
  CHECK(b.try_lock_shared());
  CHECK_FALSE(c.try_lock());
  CHECK(a.token().value == 0);
  a.unlock_shared();
  CHECK_FALSE(c.try_lock_for(10ms));
  b.unlock_shared();
  CHECK(c.try_lock());
  CHECK_FALSE(a.try_lock_shared());
  CHECK_FALSE(a.try_lock_shared_for(10ms));
  CHECK_FALSE(a.try_lock_shared_until(std::chrono::system_clock::now() + 10ms));
}

TEST_CASE("a mutex works with the standard's guards") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  {
    const std::scoped_lock hold(mutex);
  }
  {
    const std::shared_lock hold(mutex, 1s);
    CHECK(hold.owns_lock());
  }
  const std::unique_lock hold(mutex, 1s);
  CHECK(hold.owns_lock());
}

TEST_CASE("flock(1) and a mutex exclude each other") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock();
  const std::string path = (place / "m").string();
  CHECK(testing::run_program({"flock", "-n", path, "true"}) == 1);
  mutex.unlock();
  CHECK(testing::run_program({"flock", "-n", path, "true"}) == 0);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::flock(fd, LOCK_EX) == 0);
  CHECK_FALSE(mutex.try_lock());
  ::close(fd);
  CHECK(mutex.try_lock());
}

TEST_CASE("when a writer leaves, every reader that waits gets in") {
  testing::scratch_directory place;
  file_mutex writer(place / "m");
  writer.lock();
  std::vector<std::future<bool>> readers;
  std::atomic<int> waiting{0};
  std::atomic<int> inside{0};
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::async(std::launch::async, [&] {
      file_mutex mine(place / "m", {.on_wait = [&](const wait_notice&) { ++waiting; }});
      if (!mine.try_lock_shared_for(30s)) return false;
      ++inside;
      while (inside < 4) std::this_thread::yield();  // all of them together
      return true;
    }));
  }
  while (waiting < 4) std::this_thread::yield();
  writer.unlock();
  for (auto& reader : readers) CHECK(reader.get());
}

namespace {

/// Looks to lockkit like one more waiter: the byte that waiters mark, marked by hand.
class raw_waiter {
 public:
  explicit raw_waiter(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    struct flock mark{};
    mark.l_type = F_RDLCK;
    mark.l_start = off_t{1} << 40;
    mark.l_len = 1;
    if (::fcntl(fd_, F_OFD_SETLK, &mark) != 0) throw std::runtime_error("cannot mark");
  }
  ~raw_waiter() { ::close(fd_); }
  /// The word that waiters sleep on: it changes by one with each wake-up.
  std::uint32_t word() const {
    std::uint32_t value = 0;
    if (::pread(fd_, &value, sizeof value, 244) != sizeof value) throw std::runtime_error("no word");
    return value;
  }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("a release wakes one waiter if there is one, and nobody otherwise") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock();
  std::uint32_t held = 0;
  {
    const raw_waiter waiter(place / "m");
    held = waiter.word();
    mutex.unlock();
    CHECK(waiter.word() == held + 1);
    mutex.lock_shared();
    mutex.unlock();
    CHECK(waiter.word() == held + 2);
  }
  mutex.lock_shared();
  mutex.unlock();
  CHECK(raw_waiter(place / "m").word() == held + 2);
}

TEST_CASE("who has stopped waiting is not woken any more") {
  testing::scratch_directory place;
  file_mutex holder(place / "m");
  file_mutex gone(place / "m");  // stays, with its descriptor
  holder.lock();
  CHECK_FALSE(gone.try_lock_for(10ms));
  const auto word = [&] { return testing::read_file(place / "m").substr(244, 4); };
  const std::string held = word();
  holder.unlock();
  CHECK(word() == held);
}

TEST_CASE("a reader that had to wait wakes the other waiters, once it is in") {
  testing::scratch_directory place;
  file_mutex writer(place / "m");
  writer.lock();
  std::promise<void> waits;
  std::promise<void> leave;
  auto reader = std::async(std::launch::async, [&] {
    file_mutex mine(place / "m", {.on_wait = [&](const wait_notice&) { waits.set_value(); }});
    if (!mine.try_lock_shared_for(30s)) return std::uint32_t{0};
    const std::uint32_t inside = raw_waiter(place / "m").word();
    leave.get_future().wait();
    return inside;
  });
  waits.get_future().wait();
  const raw_waiter waiter(place / "m");
  const std::uint32_t held = waiter.word();
  writer.unlock();
  leave.set_value();
  CHECK(reader.get() == held + 2);  // the writer's wake-up and the reader's own
}

TEST_CASE("a mutex notices that its file was deleted or replaced, also while it waited") {
  testing::scratch_directory place;
  file_mutex kept(place / "m");
  kept.lock();
  kept.unlock();
  fs::remove(place / "m");
  file_mutex fresh(place / "m");
  REQUIRE(fresh.try_lock());
  CHECK_FALSE(kept.try_lock());  // not on the old inode
  fresh.unlock();
  CHECK(kept.try_lock());

  std::promise<void> waits;
  auto waiting = std::async(std::launch::async, [&] {
    file_mutex waiter(place / "m", {.on_wait = [&](const wait_notice&) { waits.set_value(); }});
    const bool got = waiter.try_lock_for(30s);
    return got && !file_mutex(place / "m").try_lock();
  });
  waits.get_future().wait();
  fs::remove(place / "m");
  kept.unlock();
  CHECK(waiting.get());
}

TEST_CASE("the latest token is read without locking and precedes every later acquisition") {
  testing::scratch_directory place;
  file_mutex reader(place / "m");
  std::error_code ec;
  CHECK(reader.latest_token(ec).value == 0);
  CHECK_FALSE(ec);
  file_mutex holder(place / "m");
  holder.lock();
  CHECK(reader.latest_token(ec) == holder.token());
  const auto seen = reader.latest_token(ec);
  holder.unlock();
  holder.lock();
  CHECK(holder.token() > seen);
  holder.unlock();
  holder.lock_shared();
  CHECK(reader.latest_token(ec) > seen);
}

TEST_CASE("threads and processes on one mutex never overlap and lose no update") {
  testing::scratch_directory place;
  testing::write_file(place / "count", "0");
  const auto work = [&] {
    file_mutex mutex(place / "m");
    for (int i = 0; i < 100; ++i) {
      const std::scoped_lock hold(mutex);
      testing::write_file(place / "count", std::to_string(std::stoi(testing::read_file(place / "count")) + 1));
    }
    return 0;
  };
  std::vector<testing::child_process> children;
  for (int i = 0; i < 4; ++i) children.emplace_back(work);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  for (auto& child : children) CHECK(child.wait() == 0);
  CHECK(testing::read_file(place / "count") == "800");
}

TEST_CASE("a killed mutex holder is succeeded") {
  testing::scratch_directory place;
  testing::signal_pipe locked;
  testing::child_process holder([&] {
    file_mutex mutex(place / "m");
    mutex.lock();
    locked.send();
    ::pause();
    return 0;
  });
  locked.receive();
  file_mutex next(place / "m");
  CHECK_FALSE(next.try_lock());
  holder.kill();
  CHECK(next.try_lock());
}

TEST_CASE("move assignment of a mutex releases what the target held") {
  testing::scratch_directory place;
  file_mutex a(place / "a");
  file_mutex b(place / "b");
  a.lock();
  b.lock();
  a = std::move(b);
  CHECK(file_mutex(place / "a").try_lock());
  CHECK_FALSE(file_mutex(place / "b").try_lock());
}

TEST_CASE("a thread that waits for its own mutex is told so") {
  testing::scratch_directory place;
  file_mutex a(place / "m");
  file_mutex b(place / "m");
  a.lock_shared();
  std::error_code ec;
  CHECK_FALSE(a.try_lock_until(deadline::never(), ec));
  CHECK(ec == errc::would_deadlock);
  CHECK_FALSE(b.try_lock_until(deadline::never(), ec));
  CHECK(ec == errc::would_deadlock);
  CHECK(b.try_lock_shared_until(deadline::after(10s), ec));
}
