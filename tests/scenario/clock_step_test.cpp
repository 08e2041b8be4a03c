/// Row 36: a wait of two seconds lasts two seconds, whatever the wall clock does meanwhile and although the process was
/// frozen. libfaketime gives the waiter a wall clock that jumps; this process, which measures, has the true one.
///
/// Checked by a waiter on the wall clock, whose wait of a minute ends when the clock jumps.
/// Seen to fail besides: with the waiter's monotonic clock stepped too, which is what a wait on any other clock meets.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/fake_clock.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

namespace {

/// The helper, from its start to its answer.
class timed_wait {
 public:
  timed_wait(const char* kind, const fs::path& path, std::chrono::milliseconds patience, const fake_clock* clock)
      : process_([&] {
          ::prctl(PR_SET_PDEATHSIG, SIGKILL);
          ::dup2(orders_.read_end(), STDIN_FILENO);
          ::dup2(answers_.write_end(), STDOUT_FILENO);
          if (clock != nullptr) clock->wear();
          ::execl(LOCKKIT_TIMED_WAIT, "timed_wait", kind, path.c_str(), std::to_string(patience.count()).c_str(),
                  nullptr);
          return 127;
        }) {}

  /// Returns when it waits.
  void begin() {
    REQUIRE(answers_.receive() == 'r');
    began_ = steady::now();
    orders_.send();
    REQUIRE(answers_.receive() == 'w');
  }
  char result() {
    const char answer = answers_.receive();
    lasted_ = steady::now() - began_;
    return answer;
  }
  bool clock_jumped() { return answers_.receive() == 'S'; }
  std::chrono::duration<double> lasted() const { return lasted_; }
  void signal(int number) const { process_.signal(number); }

 private:
  signal_pipe orders_;
  signal_pipe answers_;
  child_process process_;
  steady::time_point began_;
  steady::duration lasted_{};
};

template <class Lock>
constexpr const char* kind_of = std::is_same_v<Lock, lockkit::lock_file> ? "lock_file" : "file_mutex";

void require_two_seconds(const timed_wait& wait, const char* what) {
  std::printf("%s: a wait of 2 s lasted %.3f s\n", what, wait.lasted().count());
  CHECK(wait.lasted() >= 2s);
  CHECK(wait.lasted() < 30s);  // an hour's error shows; a loaded machine does not
}

}  // namespace

TEMPLATE_TEST_CASE("a wall clock that steps by an hour does not change how long a wait lasts", "", lockkit::lock_file,
                   lockkit::file_mutex) {
  const auto library = find_faketime();
  if (!library) {
    WARN("skipped: libfaketime (package libfaketime) is not installed");
    return;
  }
  scratch_directory place;
  TestType holder(place / "l");
  holder.lock();
  for (const char* step : {"+3600s", "-3600s"}) {
    const fake_clock clock(*library);
    timed_wait wait(kind_of<TestType>, place / "l", 2s, &clock);
    wait.begin();
    clock.step(step);
    CHECK(wait.result() == 'T');
    CHECK(wait.clock_jumped());
    require_two_seconds(wait, step);
  }
}

TEST_CASE("a wall clock that steps does not change how long a script's lock is waited for") {
  const auto library = find_faketime();
  if (!library) return;
  for (const char* step : {"+3600s", "-3600s"}) {
    scratch_directory place;
    write_file(place / "l", "1\n");
    const fake_clock clock(*library);
    timed_wait wait("lock_file", place / "l", 2s, &clock);
    wait.begin();
    clock.step(step);
    CHECK(wait.result() == 'T');
    CHECK(wait.clock_jumped());
    require_two_seconds(wait, step);
  }
}

TEMPLATE_TEST_CASE("a waiter frozen in the middle keeps its deadline", "", lockkit::lock_file, lockkit::file_mutex) {
  scratch_directory place;
  TestType holder(place / "l");
  holder.lock();
  timed_wait wait(kind_of<TestType>, place / "l", 2s, nullptr);
  wait.begin();
  wait.signal(SIGSTOP);
  std::this_thread::sleep_for(1s);
  wait.signal(SIGCONT);
  CHECK(wait.result() == 'T');
  require_two_seconds(wait, "frozen for 1 s");
}

TEMPLATE_TEST_CASE("a waiter frozen until after its deadline takes a lock that is free by then, and else gives up", "",
                   lockkit::lock_file, lockkit::file_mutex) {
  for (const bool released : {false, true}) {
    scratch_directory place;
    TestType holder(place / "l");
    holder.lock();
    timed_wait wait(kind_of<TestType>, place / "l", 300ms, nullptr);
    wait.begin();
    wait.signal(SIGSTOP);
    std::this_thread::sleep_for(400ms);
    if (released) holder.unlock();
    wait.signal(SIGCONT);
    // It looks at the lock once more before it looks at the clock, unless it had looked already when it was frozen.
    const char result = wait.result();
    CHECK((result == 'T' || (released && result == 'H')));
  }
}

TEST_CASE("a wait on the wall clock is cut short by a step, and the measurement shows it") {
  const auto library = find_faketime();
  if (!library) return;
  scratch_directory place;
  const fake_clock clock(*library);
  timed_wait wait("wall_clock", place / "l", 60s, &clock);
  wait.begin();
  clock.step("+3600s");
  CHECK(wait.result() == 'T');
  CHECK(wait.clock_jumped());
  CHECK(wait.lasted() < 60s);
}
