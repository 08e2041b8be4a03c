/// Rows 4, 18, 24: PID namespaces, where the same number is another process, containers that begin again with the same
/// PID, numbers that were given to somebody else. Exclusion is the kernel's lock on the inode; no number is consulted.
/// Seen to fail: with the kernel's lock granted always; with an orphan judged by its record's PID instead of its lock;
/// with the generation of a process told by its PID.
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <lockkit/file_mutex.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "scenario/containers.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;
using lockkit::detail::plant_method;

namespace {

constexpr plant_method every_plant[] = {plant_method::automatic, plant_method::own_file, plant_method::exclusive};

lock_file make(const std::filesystem::path& path, plant_method method) {
  lock_file lock(path);
  lockkit::detail::lock_file_internals::use_plant(lock, method);
  return lock;
}

template <class Lock = lock_file>
int try_for_a_while(const std::filesystem::path& path) {
  Lock lock(path);
  return lock.try_lock_for(50ms) ? 1 : 0;
}

/// Locks and dies, without releasing.
template <class Lock>
int lock_and_die(Lock& lock) {
  if (lock.try_lock()) ::raise(SIGKILL);
  return 1;
}

}  // namespace

TEST_CASE("a contender in another PID namespace is refused by a live holder, in both directions") {
  if (!may_unshare()) return;
  for (const plant_method method : every_plant) {
    scratch_directory place;
    {
      lock_file holder = make(place / "l", method);
      holder.lock();
      CHECK(as_first_process([&] { return try_for_a_while(place / "l"); }).wait() == 0);
      CHECK(holder.verify() == lockkit::verify_result::held);
    }
    signal_pipe locked;
    signal_pipe end;
    child_process container = as_first_process([&] {
      lock_file inner = make(place / "l", method);
      inner.lock();
      locked.send();
      end.receive();
      inner.unlock();
      return inner.lost() ? 1 : 0;
    });
    locked.receive();
    CHECK(try_for_a_while(place / "l") == 0);
    CHECK(as_first_process([&] { return try_for_a_while(place / "l"); }).wait() == 0);  // PID 1 against PID 1
    end.send();
    CHECK(container.wait() == 0);
  }
}

TEST_CASE("a container that begins again with the PID of its killed predecessor has the lock at once") {
  if (!may_unshare()) return;
  for (const plant_method method : every_plant) {
    scratch_directory place;
    for (int round = 0; round < 5; ++round) {
      const int status = as_first_process([&] {
                           lock_file lock = make(place / "l", method);
                           if (!lock.try_lock()) return 1;
                           ::_exit(0);  // without releasing: the lock file stays
                         }).wait();
      REQUIRE(status == 0);
      REQUIRE(std::filesystem::exists(place / "l"));
    }
  }
}

TEMPLATE_TEST_CASE("a dead holder's PID that somebody else has by now keeps nothing held", "", lock_file,
                   lockkit::file_mutex) {
  if (!may_unshare()) return;
  scratch_directory place;
  const int status = as_first_process([&] {
                       constexpr int pid = 300;
                       const auto die = [&] {
                         TestType lock(place / "l");
                         return lock_and_die(lock);
                       };
                       if (child_with_pid(pid, die).wait() != 128 + SIGKILL) return 1;
                       signal_pipe born;
                       const child_process heir = child_with_pid(pid, [&] {
                         born.send();
                         ::pause();
                         return 0;
                       });
                       born.receive();
                       if (lockkit::inspect(place / "l").state == lockkit::lock_state::held) return 2;
                       TestType next(place / "l");
                       return next.try_lock() ? 0 : 3;
                     }).wait();
  CHECK(status == 0);
}

TEST_CASE("a process that was given its dead predecessor's PID has the lock at once, by every plant") {
  if (!may_unshare()) return;
  for (const plant_method method : every_plant) {
    scratch_directory place;
    const auto lock_once = [&] {
      lock_file lock = make(place / "l", method);
      return lock_and_die(lock);
    };
    const int status = as_first_process([&] {
                         for (int round = 0; round < 3; ++round) {
                           if (child_with_pid(300, lock_once).wait() != 128 + SIGKILL) return 1;
                         }
                         return 0;
                       }).wait();
    CHECK(status == 0);
  }
}

namespace {

/// A parent that is PID 1 and its child that is PID 1 in a namespace below, with one object between them. Each step
/// returns 0 if it went as it must.
class nested_pair {
 public:
  explicit nested_pair(const std::filesystem::path& path) : lock_(path) {}

  int exclude_each_other() {
    lock_.lock();
    if (::unshare(CLONE_NEWPID) != 0) return not_permitted;
    child_process child([&] { return as_child(); });
    if (refused_.receive() != '.') return 4;
    lock_.unlock();
    go_on_.send();
    held_.receive();
    if (lock_.try_lock()) return 1;
    go_on_.send();
    if (child.wait() != 0) return 2;
    return lock_.try_lock() ? 0 : 3;
  }

 private:
  int as_child() {
    bool wrong = ::getpid() != 1 || lock_.owns_lock();
    lock_.unlock();  // not its to give back
    wrong = wrong || lock_.try_lock();
    refused_.send(wrong ? '!' : '.');
    if (wrong) return 1;
    go_on_.receive();
    if (!lock_.try_lock_for(30s)) return 3;
    held_.send();
    go_on_.receive();
    lock_.unlock();
    return lock_.lost() ? 4 : 0;
  }

  lock_file lock_;
  signal_pipe refused_;
  signal_pipe go_on_;
  signal_pipe held_;
};

}  // namespace

TEST_CASE("a parent and its child, PID 1 both in nested namespaces, exclude each other through an inherited object") {
  if (!may_unshare()) return;
  scratch_directory place;
  CHECK(as_first_process([&] { return nested_pair(place / "l").exclude_each_other(); }).wait() == 0);
  CHECK(lock_file(place / "l").try_lock());
}

TEST_CASE("a container that is killed with everything in nested namespaces leaves a lock that is had at once") {
  if (!may_unshare()) return;
  scratch_directory place;
  signal_pipe locked;
  child_process container = as_first_process([&] {
    lock_file lock(place / "l");
    lock.lock();
    if (::unshare(CLONE_NEWPID) != 0) return not_permitted;
    child_process straggler([&] {  // shares the parent's kernel lock
      locked.send();
      ::pause();
      return 0;
    });
    return straggler.wait();
  });
  locked.receive();
  CHECK(try_for_a_while(place / "l") == 0);
  const std::string children =
      "/proc/" + std::to_string(container.pid()) + "/task/" + std::to_string(container.pid()) + "/children";
  ::kill(std::stoi(read_file(children)), SIGKILL);  // the outer PID 1: the kernel ends all below it
  CHECK(container.wait() != 0);
  CHECK(lock_file(place / "l").try_lock());
}
