#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <lockkit/break_lock.hpp>
#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
namespace fs = std::filesystem;

namespace {

/// Of a process that ended.
int dead_pid() {
  testing::child_process gone([] { return 0; });
  const int pid = gone.pid();
  gone.wait();
  return pid;
}

void leave_stale(const fs::path& path) {
  testing::child_process dead([&] {
    lock_file lock(path);
    lock.lock();
    ::_exit(0);
    return 0;
  });
  dead.wait();
}

}  // namespace

TEST_CASE("break_lock removes a dead holder's lock file and leaves a living one's") {
  testing::scratch_directory place;
  CHECK(break_lock(place / "l").result == break_result::nothing_there);
  leave_stale(place / "l");
  const break_report stale = break_lock(place / "l");
  CHECK(stale.result == break_result::broken);
  CHECK(stale.found.state == lock_state::stale);
  CHECK_FALSE(fs::exists(place / "l"));

  lock_file living(place / "l");
  living.lock();
  CHECK(break_lock(place / "l").result == break_result::refused);
  CHECK(living.verify() == verify_result::held);
}

TEST_CASE("break_lock judges a script's lock by its PID, host and age, and a kernel lock on it by that") {
  testing::scratch_directory place;
  const auto result = [&](const std::string& text, const break_options& options = {}) {
    testing::write_file(place / "s", text);
    return break_lock(place / "s", options).result;
  };
  const std::string dead = std::to_string(dead_pid());
  CHECK(result(dead + "\n") == break_result::broken);
  CHECK(result(dead + "\n" + current_process().host + "\n") == break_result::broken);
  CHECK(result(dead + "\nanother.host\n") == break_result::refused);
  CHECK(result(std::to_string(::getpid()) + "\n") == break_result::refused);
  CHECK(result("what is this\n") == break_result::refused);
  CHECK(result("") == break_result::refused);
  CHECK(result("", {.empty_age = std::chrono::hours(1)}) == break_result::refused);
  CHECK(result("", {.empty_age = std::chrono::seconds(0)}) == break_result::broken);

  testing::write_file(place / "s", dead + "\n");
  const int fd = ::open((place / "s").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::flock(fd, LOCK_EX) == 0);
  CHECK(break_lock(place / "s").result == break_result::refused);
  CHECK(break_lock(place / "s", {.force = true}).result == break_result::broken);
  ::close(fd);
}

TEST_CASE("break_lock by force lets newcomers in, and the holder can find out") {
  testing::scratch_directory place;
  lock_file holder(place / "l");
  holder.lock();
  CHECK(break_lock(place / "l", {.force = true}).result == break_result::broken);
  testing::child_process newcomer([&] { return lock_file(place / "l").try_lock() ? 0 : 1; });
  CHECK(newcomer.wait() == 0);
  CHECK(holder.verify() == verify_result::lost);
  holder.unlock();
  CHECK(holder.lost());
}

TEST_CASE("break_lock never removes a mutex's file, a directory, a link or a name that replaced what was looked at") {
  testing::scratch_directory place;
  file_mutex mutex(place / "m");
  mutex.lock();
  fs::create_directory(place / "d");
  testing::write_file(place / "victim", std::to_string(dead_pid()) + "\n");
  fs::create_symlink("victim", place / "link");
  for (const char* name : {"m", "d", "link"}) {
    for (const bool force : {false, true})
      CHECK(break_lock(place / name, {.force = force}).result == break_result::refused);
    CHECK(fs::exists(place / name));
  }
  mutex.unlock();
  CHECK(break_lock(place / "m", {.force = true}).result == break_result::nothing_there);
  CHECK(fs::exists(place / "m"));
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("break_lock removes nothing that came to the name after it had looked") {
  testing::scratch_directory place;
  testing::write_file(place / "s", std::to_string(dead_pid()) + "\n");
  testing::signal_pipe there;
  testing::signal_pipe go_on;
  testing::child_process breaker([&] {
    platform::fault::arm({.what = platform::fault::action::stop,
                          .name = "flock",  // it has opened the dead script's file
                          .announce_fd = there.write_end(),
                          .resume_fd = go_on.read_end()});
    return break_lock(place / "s").result == break_result::nothing_there ? 0 : 1;
  });
  there.receive();
  testing::write_file(place / "new", "1\n");
  fs::rename(place / "new", place / "s");
  go_on.send();
  CHECK(breaker.wait() == 0);
  CHECK(testing::read_file(place / "s") == "1\n");
}

TEST_CASE("break_lock reports what fails, and breaks nothing then") {
  testing::scratch_directory place;
  platform::fault::start_recording();
  testing::write_file(place / "s", std::to_string(dead_pid()) + "\n");
  CHECK(break_lock(place / "s").result == break_result::broken);
  const auto calls = platform::fault::stop_recording();
  for (std::uint64_t nth = 1; nth <= calls.size(); ++nth) {
    testing::write_file(place / "s", std::to_string(dead_pid()) + "\n");
    platform::fault::arm({.what = platform::fault::action::fail, .nth = nth, .error = EIO});
    std::error_code ec;
    const break_report report = break_lock(place / "s", {}, ec);
    platform::fault::disarm();
    INFO("call " << nth << ", " << calls[nth - 1]);
    CHECK((report.result == break_result::broken) == !fs::exists(place / "s"));
    if (ec) CHECK(ec == std::errc::io_error);
    if (ec) CHECK(report.result == break_result::refused);
  }
}

#endif
