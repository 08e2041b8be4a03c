/// foreign_policy::reclaim_dead: what dead scripts leave is taken away, and nothing else is.
/// Seen to fail: with every PID dead, with none, without the look at namespaces below, without the second look at the
/// file, with mtime alone, with zombies alive, with the numbers behind many groups not seen.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lockkit/lock_file.hpp>
#include <numeric>
#include <vector>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

lock_file reclaiming(const fs::path& path, std::optional<std::chrono::nanoseconds> empty_after = {}) {
  return lock_file(path, {.foreign = foreign_policy::reclaim_dead, .reclaim_empty_after = empty_after});
}

/// A process's number that nobody has (any more).
int dead_pid() {
  testing::child_process child([] { return 0; });
  const int pid = child.pid();
  child.wait();
  return pid;
}

/// A shell that takes the lock as scripts do, and then does `then`.
std::vector<std::string> script(const std::string& shell, const fs::path& lock, const std::string& then) {
  return {shell, "-c", "set -C; { echo $$ > \"$0\"; } 2>/dev/null && " + then, lock.string()};
}

void age(const fs::path& file, std::time_t seconds) {
  const timespec old = {::time(nullptr) - seconds, 0};
  const timespec times[2] = {old, old};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("a dead script's lock is taken over where that was asked for, and only there") {
  for (const char* shell : {"bash", "dash"}) {
    INFO(shell);
    testing::scratch_directory place;
    REQUIRE(testing::run_program(script(shell, place / "l", "true")) == 0);
    CHECK_FALSE(lock_file(place / "l").try_lock());
    lock_file lock = reclaiming(place / "l");
    REQUIRE(lock.try_lock());
    CHECK(testing::run_program(script(shell, place / "l", "true")) != 0);
    lock.unlock();
    CHECK_FALSE(lock.lost());
    CHECK(place.names() == std::set<std::string>{".l.guard"});
  }
}

TEST_CASE("a live script's lock is respected by who takes dead ones, and taken when the script is killed") {
  for (const char* shell : {"bash", "dash"}) {
    INFO(shell);
    testing::scratch_directory place;
    testing::child_process holder([&] {
      auto words = script(shell, place / "l", "while :; do sleep 1; done");
      ::execlp(shell, shell, words[1].c_str(), words[2].c_str(), words[3].c_str(), nullptr);
      return 1;
    });
    while (!fs::exists(place / "l") || testing::read_file(place / "l").empty()) std::this_thread::yield();
    lock_file lock = reclaiming(place / "l");
    CHECK_FALSE(lock.try_lock_for(100ms));
    CHECK(testing::read_file(place / "l") == std::to_string(holder.pid()) + "\n");
    holder.kill();
    CHECK(lock.try_lock_for(30s));
  }
}

TEST_CASE("whatever says more, less or something else than a dead process's PID is respected") {
  const std::string dead = std::to_string(dead_pid());
  for (const std::string& content :
       {std::string(), std::string("0\n"), std::string("-1\n"), std::string("x\n"), dead + "\nhost\n", dead + "\n\n",
        dead + " bash\n", "x" + dead + "\n", dead + "\n" + std::string(300, ' '), std::to_string(::getpid()) + "\n"}) {
    INFO(content);
    testing::scratch_directory place;
    testing::write_file(place / "l", content);
    CHECK_FALSE(reclaiming(place / "l").try_lock());
    CHECK(testing::read_file(place / "l") == content);
  }
  testing::scratch_directory place;
  fs::create_symlink("pid", place / "l");
  testing::write_file(place / "pid", dead);
  CHECK_FALSE(reclaiming(place / "l").try_lock());
  CHECK(fs::exists(place / "pid"));
}

TEST_CASE("a PID that lives in a namespace below is not taken for dead") {
  const bool in_many_groups = GENERATE(false, true);  // they stand before the numbers in /proc/PID/status
  testing::scratch_directory place;
  testing::signal_pipe locked;
  testing::child_process container([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 77;
    // The number in there must not be anybody's out here: it is chosen among those that are free.
    testing::child_process first([&] {
      const int most = std::stoi(testing::read_file("/proc/sys/kernel/pid_max"));
      testing::write_file("/proc/sys/kernel/ns_last_pid", std::to_string(most - 1000));
      testing::child_process script([&] {
        std::vector<gid_t> groups(in_many_groups ? 3000 : 1);
        std::iota(groups.begin(), groups.end(), 1'000'000'000U);
        if (::setgroups(groups.size(), groups.data()) != 0) return 77;
        testing::write_file(place / "l", std::to_string(::getpid()) + "\n");
        locked.send();
        ::pause();
        return 0;
      });
      return script.wait();
    });
    return first.wait();
  });
  if (!locked.ready(5000)) {
    WARN("skipped: PID namespaces are not permitted here");
    return;
  }
  const int inside = std::stoi(testing::read_file(place / "l"));
  if (::kill(inside, 0) != 0) CHECK_FALSE(reclaiming(place / "l").try_lock_for(100ms));
  const std::string children =
      "/proc/" + std::to_string(container.pid()) + "/task/" + std::to_string(container.pid()) + "/children";
  ::kill(std::stoi(testing::read_file(children)), SIGKILL);  // its first process: all of it ends
  container.wait();
  CHECK(reclaiming(place / "l").try_lock_for(30s));
}

TEST_CASE("a script that ended is dead, though nobody has asked for its exit status yet") {
  testing::scratch_directory place;
  testing::signal_pipe ended;
  testing::child_process parent([&] {
    testing::child_process script([&] {
      testing::write_file(place / "l", std::to_string(::getpid()) + "\n");
      return 0;
    });
    siginfo_t how{};
    if (::waitid(P_PID, static_cast<id_t>(script.pid()), &how, WEXITED | WNOWAIT) == 0) ended.send();
    ::pause();
    return script.wait();
  });
  ended.receive();
  CHECK(reclaiming(place / "l").try_lock());
}

TEST_CASE("an empty lock file is taken over after the time that was named, and never without one") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "");
  CHECK_FALSE(reclaiming(place / "l").try_lock());
  CHECK_FALSE(reclaiming(place / "l", 1h).try_lock());
  age(place / "l", 7200);  // its name was touched just now: it may have been moved here, or its times set back
  CHECK_FALSE(reclaiming(place / "l", 1h).try_lock());
  CHECK_FALSE(lock_file(place / "l", {.reclaim_empty_after = 0ns}).try_lock());
  CHECK(reclaiming(place / "l", 50ms).try_lock_for(30s));
}

TEST_CASE("a file that somebody keeps locked in the kernel is respected, whatever it says") {
  testing::scratch_directory place;
  testing::write_file(place / "l", std::to_string(dead_pid()) + "\n");
  testing::signal_pipe locked;
  testing::child_process other([&] {
    const int fd = ::open((place / "l").c_str(), O_RDWR);
    if (::flock(fd, LOCK_EX) == 0) locked.send();
    ::pause();
    return 0;
  });
  locked.receive();
  CHECK_FALSE(reclaiming(place / "l").try_lock());
  other.kill();
  CHECK(reclaiming(place / "l").try_lock());
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// What a script does after the leftover was judged and before it is removed; the lock must not be had.
void interfere(const std::string& leftover, const std::function<void(const fs::path&)>& script) {
  testing::scratch_directory place;
  testing::write_file(place / "l", leftover);
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process next([&] {
    lock_file lock = reclaiming(place / "l", 0ns);
    fault::arm({.what = fault::action::stop,
                .name = "lock_file.orphan_locked",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return lock.try_lock() ? 1 : 0;
  });
  reached.receive();
  script(place / "l");
  const std::string theirs = testing::read_file(place / "l");
  resume.send();
  CHECK(next.wait() == 0);
  CHECK(testing::read_file(place / "l") == theirs);
}

}  // namespace

TEST_CASE("a script that took the lock anew after the judgement is respected") {
  interfere(std::to_string(dead_pid()) + "\n", [](const fs::path& lock) {
    fs::remove(lock);
    testing::write_file(lock, std::to_string(::getpid()) + "\n");
  });
}

TEST_CASE("a script that wrote its PID into the empty file after the judgement is respected") {
  interfere("", [](const fs::path& lock) { testing::write_file(lock, std::to_string(::getpid()) + "\n"); });
}

#endif
