/// taker KIND PATH: one of the processes that contend for a lock. Reads lines "BEGIN END HOLD THINK" (nanoseconds on
/// CLOCK_MONOTONIC): takes turns from BEGIN to END, holding for HOLD and then staying away for THINK (negative: busy for
/// that long; positive: asleep). Answers with "CPU_US ACQUIRED:RELEASING ..." on one line: when each acquisition
/// returned and when its release was called. taker.py and taker.js do the same with other people's libraries.
/// KIND: lock_file, file_mutex, flock (blocking, naked system calls), dotlockfile (the program).
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

namespace {

using steady = std::chrono::steady_clock;
using nanoseconds = std::chrono::nanoseconds;

nanoseconds now() {
  return steady::now().time_since_epoch();
}

struct lock_under_test {
  std::function<bool(nanoseconds until)> acquire;  ///< false: not before that
  std::function<void()> release;
};

template <class Lock>
lock_under_test with_deadline(const std::string& path) {
  auto lock = std::make_shared<Lock>(path);
  return {[lock](nanoseconds until) { return lock->try_lock_until(steady::time_point(until)); },
          [lock] { lock->unlock(); }};
}

/// Waits in the kernel's queue; whoever is in leaves when the time is over.
lock_under_test naked_flock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  return {[fd](nanoseconds) { return ::flock(fd, LOCK_EX) == 0; }, [fd] { ::flock(fd, LOCK_UN); }};
}

pid_t start(std::vector<std::string> words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) {
    throw std::runtime_error(words[0] + " can't be started");
  }
  return child;
}

/// It waits by sleeping for seconds, so it is ended when its time is over.
bool succeeds(const std::vector<std::string>& words, nanoseconds until) {
  const pid_t child = start(words);
  pollfd end = {static_cast<int>(::syscall(SYS_pidfd_open, child, 0)), POLLIN, 0};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now());
  if (::poll(&end, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) == 0) ::kill(child, SIGKILL);
  ::close(end.fd);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

lock_under_test dotlockfile(const std::string& path) {
  return {[path](nanoseconds until) { return succeeds({"dotlockfile", "-l", "-r", "1000", path}, until); },
          [path] { succeeds({"dotlockfile", "-u", path}, now() + std::chrono::seconds(10)); }};
}

lock_under_test make(const std::string& kind, const std::string& path) {
  if (kind == "lock_file") return with_deadline<lockkit::lock_file>(path);
  if (kind == "file_mutex") return with_deadline<lockkit::file_mutex>(path);
  if (kind == "flock") return naked_flock(path);
  if (kind == "dotlockfile") return dotlockfile(path);
  throw std::runtime_error("what is " + kind + "?");
}

double cpu_us() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    sum += static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  }
  return sum;
}

void spend(nanoseconds time) {
  if (time.count() >= 0) return std::this_thread::sleep_for(time);
  for (const nanoseconds end = now() - time; now() < end;) continue;
}

struct phase {
  std::int64_t begin = 0, end = 0, hold = 0, think = 0;
};

void take_turns(const phase& told, const lock_under_test& lock) {
  std::vector<std::pair<nanoseconds, nanoseconds>> turns;
  turns.reserve(100'000);
  std::this_thread::sleep_until(steady::time_point(nanoseconds(told.begin)));
  const double cpu = cpu_us();
  const nanoseconds end(told.end);
  while (now() < end && lock.acquire(end)) {
    const nanoseconds acquired = now();
    spend(nanoseconds(told.hold));
    turns.emplace_back(acquired, now());
    lock.release();
    if (told.think != 0) spend(nanoseconds(told.think));
  }
  std::cout << static_cast<std::int64_t>(cpu_us() - cpu);
  for (const auto& [acquired, releasing] : turns) std::cout << ' ' << acquired.count() << ':' << releasing.count();
  std::cout << '\n' << std::flush;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: taker KIND PATH");
  const lock_under_test lock = make(argv[1], argv[2]);
  for (std::string line; std::getline(std::cin, line);) {
    phase told;
    std::istringstream(line) >> told.begin >> told.end >> told.hold >> told.think;
    take_turns(told, lock);
  }
  return 0;
} catch (const std::exception& failure) {
  std::cerr << "taker: " << failure.what() << '\n';
  return 1;
}
