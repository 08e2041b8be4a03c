/// timed_wait KIND PATH MILLISECONDS: waits for a lock that its parent holds, and talks to it in single bytes.
///
/// out: 'r' ready; in: anything, go on; out: 'w' it waits; then 'H' held, 'T' not had in time or 'E' error; then 'S' if
/// the wall clock has jumped meanwhile, 's' if not.
/// KIND: lock_file, file_mutex, or wall_clock, which waits for nothing by the clock that the user sees: the mistake
/// that the test must be able to see.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

namespace {

using namespace std::chrono_literals;
using wall_clock = std::chrono::system_clock;

void say(char byte) {
  if (::write(STDOUT_FILENO, &byte, 1) != 1) std::_Exit(3);
}

template <class Lock>
char wait_for(const char* path, std::chrono::milliseconds patience) {
  Lock lock(path, {.on_wait = [](const lockkit::wait_notice&) { say('w'); }});
  std::error_code ec;
  const bool held = lock.try_lock_until(lockkit::deadline::after(patience), ec);
  return ec ? 'E' : held ? 'H' : 'T';
}

char wait_by_wall_clock(std::chrono::milliseconds patience) {
  const auto until = wall_clock::now() + patience;
  say('w');
  while (wall_clock::now() < until) std::this_thread::sleep_for(5ms);
  return 'T';
}

bool has_jumped(wall_clock::time_point wall, std::chrono::steady_clock::time_point steady) {
  const auto difference = (wall_clock::now() - wall) - (std::chrono::steady_clock::now() - steady);
  return std::chrono::abs(difference) > 30min;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string kind = argv[1];
  const std::chrono::milliseconds patience(std::atol(argv[3]));
  char go = 0;
  say('r');
  if (::read(STDIN_FILENO, &go, 1) != 1) return 3;
  const auto wall = wall_clock::now();
  const auto steady = std::chrono::steady_clock::now();
  if (kind == "lock_file") say(wait_for<lockkit::lock_file>(argv[2], patience));
  if (kind == "file_mutex") say(wait_for<lockkit::file_mutex>(argv[2], patience));
  if (kind == "wall_clock") say(wait_by_wall_clock(patience));
  say(has_jumped(wall, steady) ? 'S' : 's');
  return 0;
}
