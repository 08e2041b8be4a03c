// A stranger's program: what it takes to build it is what this folder tests.
#include <cstdio>

#include <lockkit/lock_file.hpp>
#include <lockkit/version.hpp>
#ifdef EVERYTHING
#include <lockkit/lockkit.hpp>
#endif

int main() {
  const lockkit::owner self = lockkit::current_process();
  const lockkit::lock_timeout late("consumer.lock", self, std::chrono::seconds(1));
  std::printf("lockkit %s: %s\n", LOCKKIT_VERSION, late.what());
  return late.holder().pid == self.pid ? 0 : 1;
}
