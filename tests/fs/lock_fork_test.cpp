/// A forked child owns nothing, and can lose nothing of its parent's.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

template <class Lock>
bool is_free_for_others(const fs::path& path) {
  testing::child_process other([&] {
    Lock lock(path);
    return lock.try_lock() ? 0 : 1;
  });
  return other.wait() == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("a forked child owns nothing", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  std::optional<TestType> lock(place / "l");
  lock->lock();
  testing::child_process child([&] {
    if (lock->owns_lock() || lock->token().value != 0) return 1;
    lock->unlock();
    if (lock->try_lock()) return 2;  // the parent holds it
    lock.reset();
    return 0;
  });
  CHECK(child.wait() == 0);
  CHECK(lock->owns_lock());
  CHECK(fs::exists(place / "l"));
  CHECK_FALSE(is_free_for_others<TestType>(place / "l"));
}

TEMPLATE_TEST_CASE("a child that outlives the parent's hold does not prolong it", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe end;
  TestType lock(place / "l");
  lock.lock();
  testing::child_process straggler([&] { return end.receive() == '.' ? 0 : 1; });  // keeps the descriptor open
  lock.unlock();
  CHECK(is_free_for_others<TestType>(place / "l"));
  end.send();
  CHECK(straggler.wait() == 0);
}

TEMPLATE_TEST_CASE("an object used before fork works in the child as a lock of its own", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  TestType lock(place / "l");
  lock.lock();
  lock.unlock();
  testing::signal_pipe locked;
  testing::signal_pipe release;
  testing::child_process child([&] {
    lock.lock();
    locked.send();
    release.receive();
    lock.unlock();
    return 0;
  });
  locked.receive();
  CHECK_FALSE(lock.try_lock());  // one description shared by fork would let both in
  release.send();
  CHECK(child.wait() == 0);
  CHECK(lock.try_lock());
}

TEMPLATE_TEST_CASE("a parent killed while a child lives on keeps the lock held, safely", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe forked;
  testing::signal_pipe end;
  testing::child_process parent([&] {
    TestType lock(place / "l");
    lock.lock();
    if (::fork() == 0) {
      forked.send();
      end.receive();
      ::_exit(0);
    }
    ::pause();
    return 0;
  });
  forked.receive();
  parent.kill();
  TestType other(place / "l");
  CHECK_FALSE(other.try_lock());
  end.send();
  CHECK(other.try_lock_for(30s));
}

TEMPLATE_TEST_CASE("a program that is executed inherits no descriptor", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  TestType lock(place / "l");
  lock.lock();
  const auto printed = testing::capture_program({"ls", "-l", "/proc/self/fd"});
  CHECK(printed.text.find(place.path().string()) == std::string::npos);
}

TEST_CASE("a child in a nested PID namespace, with its parent's own PID, can't release the parent's lock") {
  testing::scratch_directory place;
  testing::child_process outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 77;
    testing::child_process parent([&] {  // PID 1 there
      lock_file lock(place / "l");
      lock.lock();
      if (::unshare(CLONE_NEWPID) != 0) return 77;
      testing::child_process child([&] {  // PID 1 as well
        lock.unlock();
        return lock.owns_lock() || ::getpid() != 1 ? 1 : 0;
      });
      if (child.wait() != 0) return 1;
      lock_file other(place / "l");
      return lock.owns_lock() && fs::exists(place / "l") && !other.try_lock() ? 0 : 2;
    });
    return parent.wait();
  });
  const int status = outer.wait();
  if (status == 77) {
    WARN("skipped: PID namespaces are not permitted here");
    return;
  }
  CHECK(status == 0);
}
