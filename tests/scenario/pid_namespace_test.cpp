/// Rows 4, 18, 24: PID namespaces, where the same number is another process, and containers that begin again with the
/// same PID. Exclusion is the kernel's lock on the inode; no number is consulted.
/// Seen to fail: with the kernel's lock granted always.
#include <sched.h>
#include <unistd.h>

#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;

namespace {

constexpr int not_permitted = 77;

/// Runs `body` as PID 1 of a new PID namespace.
child_process as_first_process(const std::function<int()>& body) {
  return child_process([&] {
    if (::unshare(CLONE_NEWPID) != 0) return not_permitted;
    child_process first([&] { return ::getpid() == 1 ? body() : 2; });
    return first.wait();
  });
}

bool may_unshare() {
  if (as_first_process([] { return 0; }).wait() == 0) return true;
  WARN("skipped: PID namespaces are not permitted here");
  return false;
}

int try_for_a_while(const std::filesystem::path& path) {
  lock_file lock(path);
  return lock.try_lock_for(50ms) ? 1 : 0;
}

}  // namespace

TEST_CASE("a contender in another PID namespace is refused by a live holder, in both directions") {
  if (!may_unshare()) return;
  scratch_directory place;
  {
    lock_file holder(place / "l");
    holder.lock();
    CHECK(as_first_process([&] { return try_for_a_while(place / "l"); }).wait() == 0);
    CHECK(holder.verify() == lockkit::verify_result::held);
  }
  signal_pipe locked;
  signal_pipe end;
  child_process container = as_first_process([&] {
    lock_file inner(place / "l");
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

TEST_CASE("a container that begins again with the PID of its killed predecessor has the lock at once") {
  if (!may_unshare()) return;
  scratch_directory place;
  for (int round = 0; round < 5; ++round) {
    const int status = as_first_process([&] {
                         lock_file lock(place / "l");
                         if (!lock.try_lock()) return 1;
                         ::_exit(0);  // without releasing: the lock file stays
                       }).wait();
    REQUIRE(status == 0);
    REQUIRE(std::filesystem::exists(place / "l"));
  }
}
