#include "scenario/sleeper.hpp"

#include <sys/syscall.h>

#include <fstream>
#include <string>
#include <thread>

namespace testing {

using namespace std::chrono_literals;

bool sleeps_on_word(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/syscall");
  std::string call;  // "running", or the number of the call that it is blocked in
  file >> call;
  return call == std::to_string(SYS_futex);
}

bool falls_asleep(const contender& one) {
  for (int i = 0; i < 60'000; ++i) {
    if (sleeps_on_word(one.pid())) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

bool stays_asleep(const contender& one) {
  constexpr int enough = 50;
  for (int asleep = 0; asleep < enough;) {
    if (one.answers_within(5)) return false;
    asleep = sleeps_on_word(one.pid()) ? asleep + 1 : 0;
  }
  return true;
}

}  // namespace testing
