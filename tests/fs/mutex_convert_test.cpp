/// Downgrade and upgrade of a file_mutex: rules 9 to 11 at the top of kernel_lock.hpp.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <optional>

#include <lockkit/file_mutex.hpp>

#include "fs/owner_stamp.hpp"
#include "fs/wait_watching.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/record_locker.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

bool can_write(const fs::path& path) {
  return file_mutex(path).try_lock();
}

bool can_read(const fs::path& path) {
  return file_mutex(path).try_lock_shared();
}

}  // namespace

TEST_CASE("a downgrade shares what was written, and an upgrade is an acquisition with a token of its own") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock();
  const fencing_token first = mutex.token();
  mutex.downgrade();
  CHECK(mutex.owns_lock());
  CHECK(mutex.token().value == 0);
  std::error_code ec;
  CHECK(mutex.latest_token(ec) == first);
  CHECK(can_read(place / "m"));
  CHECK_FALSE(can_write(place / "m"));
  CHECK(mutex.try_upgrade());
  CHECK(mutex.token() > first);
  CHECK_FALSE(can_read(place / "m"));
  mutex.unlock();
  CHECK(can_write(place / "m"));
}

TEST_CASE("an upgrade is refused while others share, and sharing goes on") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  file_mutex other(place / "m");
  mutex.lock_shared();
  other.lock_shared();
  CHECK_FALSE(mutex.try_upgrade());
  CHECK(mutex.owns_lock());
  other.unlock();
  CHECK_FALSE(can_write(place / "m"));
  CHECK(mutex.try_upgrade());
}

TEST_CASE("only what is held can be converted") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  std::error_code ec;
  mutex.downgrade(ec);
  CHECK(ec == errc::not_held);
  CHECK_FALSE(mutex.try_upgrade(ec));
  CHECK(ec == errc::not_held);
  mutex.lock_shared();
  CHECK_THROWS_AS(mutex.downgrade(), error);
  mutex.unlock();
  mutex.lock();
  CHECK_FALSE(mutex.try_upgrade(ec));
  CHECK(ec == errc::not_held);
  testing::child_process child([&] {
    std::error_code in_child;
    mutex.downgrade(in_child);
    return in_child == errc::not_held ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(mutex.token().value != 0);
  CHECK_FALSE(can_read(place / "m"));
}

TEST_CASE("an upgrade of a file that was replaced meanwhile is no lock") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock_shared();
  fs::remove(place / "m");
  std::error_code ec;
  CHECK_FALSE(mutex.try_upgrade(ec));
  CHECK(ec == errc::lock_lost);
  CHECK_FALSE(mutex.owns_lock());
  CHECK(mutex.try_lock());
}

TEST_CASE("what was read still holds after an upgrade: nobody loses an update") {
  constexpr int processes = 4;
  constexpr int updates = 100;
  testing::scratch_directory place(testing::memory_directory());
  testing::write_file(place / "count", "0");
  const auto work = [&] {
    file_mutex mutex(place / "m");
    for (int i = 0; i < updates; ++i) {
      mutex.lock_shared();
      int count = std::stoi(testing::read_file(place / "count"));
      if (!mutex.try_upgrade()) {  // others read, too: as the contract says
        mutex.unlock();
        mutex.lock();
        count = std::stoi(testing::read_file(place / "count"));
      }
      testing::write_file(place / "count", std::to_string(count + 1));
      mutex.downgrade();
      if (std::stoi(testing::read_file(place / "count")) != count + 1) return 1;
      mutex.unlock();
    }
    return 0;
  };
  std::vector<testing::child_process> children;
  for (int i = 0; i < processes; ++i) children.emplace_back(work);
  for (auto& child : children) CHECK(child.wait() == 0);
  CHECK(testing::read_file(place / "count") == std::to_string(processes * updates));
}

TEST_CASE("killed at any system call of a downgrade or an upgrade, a mutex is neither stuck nor doubled") {
  for (const bool refused : {false, true}) {
    testing::scratch_directory place;
    file_mutex other(place / "m");
    file_mutex* changing = nullptr;
    const auto prepare = [&] {
      changing = new file_mutex(place / "m");  // in the child, which is killed
      if (refused) changing->lock_shared();
      if (!refused) changing->lock();
    };
    const auto change = [&] {
      if (!refused) changing->downgrade();
      if (changing->try_upgrade() == refused) throw std::runtime_error("not what was expected");
      changing->unlock();
    };
    if (refused) other.lock_shared();
    const auto points = testing::kill_at_every_call(prepare, change, [&](std::size_t point) {
      INFO("killed before call " << point << (refused ? ", refused" : ""));
      REQUIRE(can_write(place / "m") != refused);
      REQUIRE(can_read(place / "m"));
    });
    CHECK(points >= 6);
    other.unlock();
    CHECK(can_write(place / "m"));
  }
}

TEST_CASE("another program's record lock on a mutex's whole file is not taken for a conversion, nor for a writer") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock();
  mutex.unlock();
  const testing::record_locker foreign(place / "m");
  REQUIRE(foreign.tell(testing::record_order::try_exclusive));
  CHECK(mutex.try_lock());
  std::error_code ec;
  mutex.downgrade(ec);
  CHECK(ec == std::errc::device_or_resource_busy);
  CHECK(mutex.token().value != 0);
  mutex.unlock();
  CHECK(mutex.try_lock_shared());
  CHECK_FALSE(mutex.try_upgrade(ec));
  CHECK_FALSE(ec);
  CHECK(mutex.owns_lock());
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// A process that shares, tries to upgrade, and is parked at a point or call in the middle of it. What came of it: 0 it
/// shares, 1 it is the only one, 2 it has lost everything, 3 anything else.
class upgrading_process {
 public:
  explicit upgrading_process(const fs::path& path, const char* where, std::chrono::nanoseconds patience = 60s)
      : process_([this, path, where, patience] {
          file_mutex mutex(path, {.timeout = patience});
          mutex.lock_shared();
          events_.send();
          go_.receive();
          fault::arm({.what = fault::action::stop,
                      .name = where,
                      .announce_fd = events_.write_end(),
                      .resume_fd = go_.read_end()});
          std::error_code ec;
          const bool upgraded = mutex.try_upgrade(ec);
          events_.send();
          go_.receive();
          if (ec == errc::lock_lost && !mutex.owns_lock()) return 2;
          if (ec || !mutex.owns_lock()) return 3;
          return upgraded ? 1 : 0;
        }) {
    events_.receive();
  }
  int pid() const { return process_.pid(); }
  /// To where it is parked; from there to the end of the upgrade; to the end.
  void go_on() {
    go_.send();
    events_.receive();
  }
  int end() {
    go_.send();
    return process_.wait();
  }
  void kill() { process_.kill(); }

 private:
  testing::signal_pipe events_;
  testing::signal_pipe go_;
  testing::child_process process_;
};

}  // namespace

TEST_CASE("nobody gets the exclusive lock while a refused upgrade has neither") {
  testing::scratch_directory place;
  file_mutex other(place / "m");
  other.lock_shared();
  upgrading_process upgrading(place / "m", "kernel_lock.upgrade_tried");
  upgrading.go_on();
  other.unlock();  // now the kernel would let anybody in
  CHECK_FALSE(can_write(place / "m"));
  file_mutex waits(place / "m");
  CHECK_FALSE(waits.try_lock_for(100ms));
  upgrading.go_on();
  CHECK_FALSE(can_write(place / "m"));
  CHECK(upgrading.end() == 0);
  CHECK(can_write(place / "m"));
}

TEST_CASE("of two who upgrade at once the second is refused, and shares on") {
  testing::scratch_directory place;
  file_mutex second(place / "m");
  upgrading_process first(place / "m", "kernel_lock.converting");
  second.lock_shared();
  first.go_on();
  CHECK_FALSE(second.try_upgrade());
  CHECK(second.owns_lock());
  CHECK_FALSE(can_write(place / "m"));
  first.go_on();
  CHECK(first.end() == 0);
  CHECK(second.try_upgrade());
}

TEST_CASE("killed in the middle of an upgrade, it is in nobody's way") {
  for (const char* where : {"kernel_lock.converting", "kernel_lock.upgrade_tried"}) {
    testing::scratch_directory place;
    file_mutex other(place / "m");
    other.lock_shared();
    upgrading_process upgrading(place / "m", where);
    upgrading.go_on();
    other.unlock();
    CHECK_FALSE(can_write(place / "m"));
    upgrading.kill();
    CHECK(can_write(place / "m"));
  }
}

TEST_CASE("a writer of lockkit that is about to give back costs nobody the shared lock, however short the timeout") {
  testing::scratch_directory place;
  testing::signal_pipe parked;
  testing::signal_pipe resume;
  file_mutex other(place / "m");
  other.lock_shared();
  upgrading_process upgrading(place / "m", "kernel_lock.upgrade_tried", 0ns);
  upgrading.go_on();
  other.unlock();
  testing::child_process writer([&] {
    file_mutex mutex(place / "m");
    fault::arm({.what = fault::action::stop,
                .name = "kernel_lock.locked",
                .announce_fd = parked.write_end(),
                .resume_fd = resume.read_end()});
    return mutex.try_lock() ? 1 : 0;
  });
  parked.receive();
  std::thread later([&] {
    testing::await_call(upgrading.pid(), SYS_futex);  // it was refused once
    resume.send();
  });
  upgrading.go_on();
  later.join();
  CHECK(upgrading.end() == 0);
  CHECK(writer.wait() == 0);
}

TEST_CASE("those who wait for one who is stopped in an upgrade do not wake each other without end") {
  testing::scratch_directory place;
  file_mutex other(place / "m");
  other.lock();
  other.downgrade();  // the record is there, with the word that changes with each wake-up
  upgrading_process upgrading(place / "m", "kernel_lock.upgrade_tried");
  upgrading.go_on();
  other.unlock();
  const int fd = ::open((place / "m").c_str(), O_RDONLY | O_CLOEXEC);
  const auto wake_ups = [&] {
    std::error_code ec;
    return detail::record_word(detail::read_record(fd, ec).text());
  };
  const std::uint32_t before = wake_ups();
  std::vector<testing::child_process> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] { return file_mutex(place / "m").try_lock_for(500ms) ? 1 : 0; });
  }
  for (auto& writer : writers) CHECK(writer.wait() == 0);
  CHECK(wake_ups() - before < 1000);  // two tries in 5 ms each, by two: 400
  ::close(fd);
  upgrading.go_on();
  CHECK(upgrading.end() == 0);
}

TEST_CASE("a flock(1) that slips into a refused upgrade makes it lost, if it stays") {
  for (const bool stays : {true, false}) {
    testing::scratch_directory place;
    file_mutex other(place / "m");
    other.lock_shared();
    upgrading_process upgrading(place / "m", "kernel_lock.upgrade_tried", stays ? 50ms : 60s);
    upgrading.go_on();
    other.unlock();
    const int foreign = ::open((place / "m").c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(::flock(foreign, LOCK_EX | LOCK_NB) == 0);
    if (!stays) ::flock(foreign, LOCK_UN);
    upgrading.go_on();
    CHECK(upgrading.end() == (stays ? 2 : 0));
    ::close(foreign);
    CHECK(can_write(place / "m"));
  }
}

TEST_CASE("a release by another thread waits for the end of a change of mode") {
  testing::scratch_directory place;
  testing::signal_pipe parked;
  testing::signal_pipe resume;
  testing::child_process process([&] {
    file_mutex mutex(place / "m");
    mutex.lock();
    fault::arm({.what = fault::action::stop,
                .name = "kernel_lock.converting",
                .announce_fd = parked.write_end(),
                .resume_fd = resume.read_end()});
    std::promise<void> releases;
    std::thread releasing([&] {
      parked.receive();
      releases.set_value();
      mutex.unlock();
      if (mutex.owns_lock()) ::_exit(2);
    });
    std::thread resuming([&] {
      releases.get_future().wait();
      std::this_thread::sleep_for(20ms);  // so that a release that does not wait is through
      resume.send();
    });
    mutex.downgrade();
    releasing.join();
    resuming.join();
    return can_write(place / "m") ? 0 : 1;
  });
  CHECK(process.wait() == 0);
}

namespace {

/// What a mutex says that it holds is what it holds.
void check_what_it_says(std::optional<file_mutex>& mutex, const fs::path& path) {
  const bool exclusive = mutex->token().value != 0;
  REQUIRE(can_read(path) == !exclusive);
  REQUIRE(can_write(path) == !mutex->owns_lock());
  mutex.reset();
  REQUIRE(can_write(path));
}

template <class Change>
std::size_t fail_at_every_call(bool shared_first, int error, Change&& change) {
  for (std::size_t nth = 1;; ++nth) {
    testing::scratch_directory place;
    std::optional<file_mutex> mutex(std::in_place, place / "m", lock_options{.timeout = 10ms});
    mutex->lock();
    if (shared_first) mutex->downgrade();
    INFO("call " << nth << ", errno " << error);
    fault::arm({.what = fault::action::fail, .nth = nth, .error = error});
    std::error_code ec;
    change(*mutex, ec);
    const bool fired = fault::fired();
    fault::disarm();
    if (!fired) return nth - 1;
    check_what_it_says(mutex, place / "m");
  }
}

}  // namespace

TEST_CASE("any call of a change of mode failing leaves a mutex that says what it holds") {
  for (const int error : {EIO, ENOLCK, ENOMEM, EACCES}) {
    CHECK(fail_at_every_call(false, error, [](file_mutex& m, std::error_code& ec) { m.downgrade(ec); }) >= 3);
    CHECK(fail_at_every_call(true, error,
                             [](file_mutex& m, std::error_code& ec) { static_cast<void>(m.try_upgrade(ec)); }) >= 5);
  }
}

#endif
