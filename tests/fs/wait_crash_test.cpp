/// Those who wait, killed, stopped and forked at every call that a wait makes: in each of its kinds.
#include <signal.h>
#include <sys/prctl.h>

#include <future>
#include <memory>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/wait_watching.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;
using testing::wait_watch;

namespace {

/// A kind of wait.
struct wait_kind {
  const char* name;
  bool shared;
  wait_order order;
  bool others_share;  ///< whom it waits for
};
const std::vector<wait_kind> kinds = {
    {"a writer behind readers", false, wait_order::any, true},
    {"a writer behind a writer", false, wait_order::any, false},
    {"a reader behind a writer", true, wait_order::any, false},
    {"a writer in order", false, wait_order::first_come, true},
    {"a reader in order", true, wait_order::first_come, false},
};

lock_options options_of(const wait_kind& kind) {
  lock_options options;
  options.order = kind.order;
  return options;
}

bool wait_as(const wait_kind& kind, file_mutex& mutex, std::chrono::nanoseconds patience) {
  return kind.shared ? mutex.try_lock_shared_for(patience) : mutex.try_lock_for(patience);
}

void hold_for(const wait_kind& kind, file_mutex& holder) {
  if (kind.others_share) return holder.lock_shared();
  holder.lock();
}

/// As another process sees it; this one's threads may share already.
bool is_free_for(const fs::path& path, bool shared, std::chrono::nanoseconds patience) {
  return std::async(std::launch::async,
                    [&] {
                      file_mutex mutex(path);
                      return shared ? mutex.try_lock_shared_for(patience) : mutex.try_lock_for(patience);
                    })
      .get();
}

}  // namespace

TEST_CASE("killed at any system call of a wait, a waiter leaves no mark, and is in nobody's way") {
  for (const wait_kind& kind : kinds) {
    testing::scratch_directory place(testing::memory_directory());
    const wait_watch seen(place / "m");
    file_mutex holder(place / "m");
    holder.lock();
    holder.unlock();  // the file has its record
    hold_for(kind, holder);
    file_mutex* waiting = nullptr;
    const auto points = testing::kill_at_every_call(
        [&] { waiting = new file_mutex(place / "m", options_of(kind)); },  // in the child, which is killed
        [&] { static_cast<void>(wait_as(kind, *waiting, 8ms)); },
        [&](std::size_t point) {
          INFO(kind.name << ", killed before call " << point);
          REQUIRE_FALSE(seen.is_anybody_waiting());
          REQUIRE(is_free_for(place / "m", true, 0ms) == kind.others_share);
        });
    CHECK(points >= 8);
    holder.unlock();
    CHECK(is_free_for(place / "m", false, 0ms));
  }
}

TEST_CASE("a waiter that gives up leaves no mark") {
  for (const wait_kind& kind : kinds) {
    testing::scratch_directory place;
    const wait_watch seen(place / "m");
    file_mutex holder(place / "m");
    hold_for(kind, holder);
    file_mutex waiting(place / "m", options_of(kind));  // stays, with its descriptor
    auto other = std::async(std::launch::async, [&] { return wait_as(kind, waiting, 20ms); });
    CHECK_FALSE(other.get());
    CHECK_FALSE(seen.is_anybody_waiting());
  }
}

TEST_CASE("a child that was forked during its parent's wait, and outlives it, keeps nobody out but a queue") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex holder(place / "m");
  holder.lock_shared();
  testing::signal_pipe end;
  testing::signal_pipe forked;
  testing::child_process waiter([&] {
    file_mutex mutex(place / "m");
    auto wait = std::async(std::launch::async, [&] { return mutex.try_lock_for(60s); });
    seen.await_writer();
    const testing::child_process straggler([&] {
      ::prctl(PR_SET_PDEATHSIG, 0);
      forked.send();
      end.receive();
      return 0;
    });
    return wait.get() ? 0 : 1;
  });
  forked.receive();
  waiter.kill();
  CHECK(seen.is_marked(wait_watch::dial::writers));  // the child's descriptor has it
  CHECK(is_free_for(place / "m", true, 30s));
  end.send();
}

TEST_CASE("a child that lives on prolongs no hold that was converted") {
  testing::scratch_directory place;
  testing::signal_pipe end;
  file_mutex mutex(place / "m");
  mutex.lock_shared();
  testing::child_process straggler([&] { return end.receive() == '.' ? 0 : 1; });
  CHECK(mutex.try_upgrade());
  CHECK_FALSE(is_free_for(place / "m", true, 0ms));
  mutex.downgrade();
  CHECK(is_free_for(place / "m", true, 0ms));
  mutex.unlock();
  CHECK(is_free_for(place / "m", false, 0ms));
  end.send();
  CHECK(straggler.wait() == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// A waiter in a process of its own that is parked before the N-th platform call of its wait. Says 's' when it is parked,
/// 'i' when it is in.
class parked_waiter {
 public:
  parked_waiter(const fs::path& path, const wait_kind& kind, std::uint64_t call)
      : process_([this, path, kind, call] {
          file_mutex mutex(path, options_of(kind));
          fault::arm({.what = fault::action::stop,
                      .nth = call,
                      .announce_fd = events_.write_end(),
                      .resume_fd = resume_.read_end()});
          const bool had = wait_as(kind, mutex, 60s);
          fault::disarm();
          events_.send(had ? 'i' : 'o');
          resume_.receive();
          return had ? 0 : 1;
        }) {}
  char await() const { return events_.receive(); }
  void go_on() const { resume_.send(); }
  int wait() { return process_.wait(); }

 private:
  testing::signal_pipe events_;
  testing::signal_pipe resume_;
  testing::child_process process_;
};

}  // namespace

TEST_CASE("a waiter parked at any call of its wait is passed by or has the lock, and gets in when it goes on") {
  constexpr std::uint64_t calls = 20;  // open, look, try, mark, and once or twice round the loop of waiting
  for (const wait_kind& kind : kinds) {
    for (std::uint64_t call = 1; call <= calls; ++call) {
      INFO(kind.name << ", parked before call " << call);
      testing::scratch_directory place(testing::memory_directory());
      file_mutex holder(place / "m");
      holder.lock();
      holder.unlock();
      hold_for(kind, holder);
      parked_waiter waiter(place / "m", kind, call);
      REQUIRE(waiter.await() == 's');
      holder.unlock();
      file_mutex rival(place / "m");
      if (rival.try_lock_for(20ms)) {
        REQUIRE_FALSE(is_free_for(place / "m", true, 0ms));
        rival.unlock();
      }
      waiter.go_on();
      REQUIRE(waiter.await() == 'i');
      REQUIRE(is_free_for(place / "m", true, 0ms) == kind.shared);
      REQUIRE_FALSE(is_free_for(place / "m", false, 0ms));
      waiter.go_on();
      REQUIRE(waiter.wait() == 0);
    }
  }
}

#endif
