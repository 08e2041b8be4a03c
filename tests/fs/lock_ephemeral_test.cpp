/// Guards that go with their lock: nothing is left, and nobody who opened one before it went is alone with it.
///
/// Seen to fail: removed after unlocking; removed while somebody waits; removed without looking whose name it is; with an
/// own file planted under a guard that has gone; with a guard that has another name removed; with failures that keep it.
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "fs/wait_watching.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/record_locker.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using detail::plant_method;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

const lock_options ephemeral = {.ephemeral_guard = true};
const std::vector<plant_method> methods = {plant_method::automatic, plant_method::own_file, plant_method::exclusive};

lock_file make(const fs::path& path, const lock_options& options, plant_method method = plant_method::automatic) {
  lock_file lock(path, options);
  detail::lock_file_internals::use_plant(lock, method);
  return lock;
}

}  // namespace

TEST_CASE("a thousand names locked with ephemeral guards leave no file") {
  testing::scratch_directory place(testing::memory_directory());
  for (int i = 0; i < 1000; ++i) {
    lock_file lock = make(place / std::to_string(i), ephemeral, methods[static_cast<std::size_t>(i) % 3]);
    lock.lock();
    if (i % 7 == 0) CHECK(lock.verify() == verify_result::held);
    lock.unlock();
    if (i % 11 == 0) CHECK(lock.try_lock());  // once more with the same object; released by the destructor
  }
  CHECK(place.names().empty());
}

TEST_CASE("an ephemeral guard stays while somebody waits, who removes it at the end") {
  testing::scratch_directory place;
  lock_file first(place / "l", ephemeral);
  first.lock();
  const auto guard = [&] {
    struct stat found{};
    return ::stat((place / ".l.guard").c_str(), &found) == 0 ? found.st_ino : 0;
  };
  const auto before = guard();
  std::promise<void> waits;
  auto second = std::async(std::launch::async, [&] {
    lock_file lock(place / "l", {.ephemeral_guard = true, .on_wait = [&](const wait_notice&) { waits.set_value(); }});
    const bool had = lock.try_lock_for(30s);
    return had && guard() == before;
  });
  waits.get_future().wait();
  testing::wait_watch(place / ".l.guard").await_presence();
  first.unlock();
  CHECK(second.get());
  CHECK(place.names().empty());
}

TEST_CASE("a try that fails, a wait that ends and a full disk leave no ephemeral guard") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "4711\n");
  lock_file lock(place / "l", ephemeral);
  CHECK_FALSE(lock.try_lock());
  CHECK(place.names() == std::set<std::string>{"l"});
  CHECK_FALSE(lock.try_lock_for(20ms));
  CHECK(place.names() == std::set<std::string>{"l"});
  fs::remove(place / "l");
  lock_file holder(place / "l", ephemeral);
  holder.lock();
  CHECK_FALSE(lock.try_lock_for(20ms));
  holder.unlock();
  CHECK(place.names().empty());
#if defined(LOCKKIT_FAULT_INJECTION)
  std::error_code ec;
  fault::arm({.what = fault::action::fail, .name = "pwrite64", .times = 100, .error = ENOSPC});
  CHECK_FALSE(lock.try_lock(ec));
  fault::disarm();
  CHECK(ec == std::errc::no_space_on_device);
  CHECK(place.names().empty());
#endif
}

TEST_CASE("objects that kept a removed guard open, of either kind and any plant, still exclude each other") {
  for (const auto method : methods) {
    for (const auto other : methods) {
      INFO(static_cast<int>(method) << " beside " << static_cast<int>(other));
      testing::scratch_directory place;
      lock_file going = make(place / "l", ephemeral, method);
      lock_file keeping = make(place / "l", {}, other);
      for (int round = 0; round < 3; ++round) {
        keeping.lock();
        CHECK_FALSE(going.try_lock());  // and has the guard open from now on
        keeping.unlock();
        going.lock();
        CHECK_FALSE(keeping.try_lock());
        CHECK(going.verify() == verify_result::held);
        going.unlock();
        CHECK(place.names().empty());
        keeping.lock();  // by the descriptor of the guard that has gone
        CHECK(keeping.verify() == verify_result::held);
        CHECK_FALSE(make(place / "l", ephemeral, method).try_lock());
        keeping.unlock();
        CHECK_FALSE(keeping.lost());
      }
    }
  }
}

TEST_CASE("tokens of ephemeral locks grow") {
  testing::scratch_directory place;
  fencing_token last;
  for (int i = 0; i < 100; ++i) {
    lock_file lock(place / "l", ephemeral);
    lock.lock();
    CHECK(lock.token() > last);
    last = lock.token();
  }
}

TEST_CASE("a guard that keeps everyone out, has another name or is somebody else's by now is not removed") {
  testing::scratch_directory place;
  {
    lock_file lock(place / "a", {.excludes = keep_out::everyone, .ephemeral_guard = true});
    lock.lock();
  }
  CHECK(fs::exists(place / ".a.guard"));
  {
    lock_file lock(place / "b", ephemeral);
    lock.lock();
    fs::create_hard_link(place / ".b.guard", place / "backup");
  }
  CHECK(fs::exists(place / ".b.guard"));
  {
    lock_file lock(place / "c", ephemeral);
    lock.lock();
    fs::remove(place / ".c.guard");
    testing::write_file(place / ".c.guard", "");
  }
  CHECK(fs::exists(place / ".c.guard"));
}

TEST_CASE("a guard on which another program has a record lock is not removed with its lock") {
  testing::scratch_directory place;
  lock_file lock(place / "l", ephemeral);
  lock.lock();
  const testing::record_locker other(place / "l");
  CHECK(other.tell(testing::record_order::try_exclusive));
  lock.unlock();
  CHECK(place.names() == std::set<std::string>{".l.guard"});
}

TEST_CASE("killed at any system call with an ephemeral guard, the next user of the path leaves nothing") {
  for (const auto method : methods) {
    testing::scratch_directory place(testing::memory_directory());
    const auto prepare = [&] {
      for (const auto& name : place.names()) fs::remove(place / name);
    };
    const auto points = testing::kill_at_every_call(
        prepare,
        [&] {
          lock_file lock = make(place / "l", ephemeral, method);
          lock.lock();
          lock.unlock();
        },
        [&](std::size_t point) {
          INFO("killed before call " << point << ", method " << static_cast<int>(method));
          lock_file next = make(place / "l", ephemeral, method);
          if (!next.try_lock()) {
            REQUIRE(method == plant_method::exclusive);  // an empty lock file is held until a person removes it
            REQUIRE(fs::file_size(place / "l") == 0);
            fs::remove(place / "l");
            REQUIRE(next.try_lock());
          }
          REQUIRE_FALSE(lock_file(place / "l").try_lock());
          next.unlock();
          REQUIRE(place.names().empty());
        });
    CHECK(points >= 10);
  }
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// A process that was stopped at `where` and goes on once `meanwhile` is done: 0 if it then has the lock.
int locks_after(const fs::path& path, const char* where, plant_method method, const std::function<void()>& meanwhile,
                const std::function<void()>& while_held) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::signal_pipe locked;
  testing::signal_pipe end;
  testing::child_process child([&] {
    lock_file lock = make(path, {}, method);
    fault::arm({.what = fault::action::stop,
                .name = where,
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    const bool had = lock.try_lock();
    locked.send();
    end.receive();
    return had ? 0 : 1;
  });
  reached.receive();
  meanwhile();
  resume.send();
  locked.receive();
  while_held();
  end.send();
  return child.wait();
}

}  // namespace

TEST_CASE("a guard removed between another's open and lock is not the one that this locks") {
  for (const auto method : methods) {
    INFO(static_cast<int>(method));
    testing::scratch_directory place;
    const auto use_once = [&] {
      lock_file lock(place / "l", ephemeral);
      lock.lock();
    };
    const auto look = [&] {
      CHECK(fs::exists(place / ".l.guard"));
      CHECK_FALSE(lock_file(place / "l").try_lock());
      const bool linked = fs::exists(place / "l") && fs::equivalent(place / "l", place / ".l.guard");
      CHECK(linked == (method == plant_method::automatic));
    };
    CHECK(locks_after(place / "l", "flock", method, use_once, look) == 0);
  }
}

TEST_CASE("who begins to wait after it was looked whether anybody waits gets the lock on a new guard") {
  testing::scratch_directory place;
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process releaser([&] {
    lock_file lock(place / "l", ephemeral);
    lock.lock();
    fault::arm({.what = fault::action::stop,
                .name = "lock_file.nobody_waits",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    lock.unlock();
    return 0;
  });
  reached.receive();
  testing::signal_pipe waits;
  testing::signal_pipe locked;
  testing::signal_pipe end;
  testing::child_process waiter([&] {
    lock_file lock(place / "l", {.on_wait = [&](const wait_notice&) { waits.send(); }});
    if (!lock.try_lock_for(30s)) return 1;
    locked.send();
    end.receive();
    return lock.verify() == verify_result::held ? 0 : 1;
  });
  waits.receive();
  testing::wait_watch(place / ".l.guard").await_presence();
  resume.send();
  CHECK(releaser.wait() == 0);
  locked.receive();
  CHECK(fs::equivalent(place / "l", place / ".l.guard"));
  CHECK_FALSE(lock_file(place / "l").try_lock());
  end.send();
  CHECK(waiter.wait() == 0);
}

TEST_CASE("a guard that may not be removed stays, and the lock works on") {
  testing::scratch_directory place;
  lock_file lock(place / "l", ephemeral);
  lock.lock();
  fault::arm({.what = fault::action::fail, .name = "unlinkat", .nth = 2, .error = EPERM});
  lock.unlock();
  fault::disarm();
  CHECK(place.names() == std::set<std::string>{".l.guard"});
  CHECK_FALSE(lock.left_behind());
  CHECK(lock.try_lock());
  lock.unlock();
  CHECK(place.names().empty());
}

TEST_CASE("a lock file that could not be removed keeps its ephemeral guard, and is adopted by it") {
  testing::scratch_directory place;
  lock_file lock(place / "l", ephemeral);
  lock.lock();
  fault::arm({.what = fault::action::fail, .name = "unlinkat", .error = EROFS});
  lock.unlock();
  fault::disarm();
  CHECK(lock.left_behind());
  CHECK(place.names() == std::set<std::string>{".l.guard", "l"});
  CHECK(lock.try_lock());
  lock.unlock();
  CHECK(place.names().empty());
}

#endif
