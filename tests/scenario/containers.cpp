#include "scenario/containers.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "support/catch.hpp"

namespace testing {

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

bool pretend_reboot() {
  const char* const id = "/proc/sys/kernel/random/boot_id";
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  const scratch_directory place;
  write_file(place / "boot_id", "01234567-89ab-4cde-8f01-23456789abcd\n");
  return ::mount((place / "boot_id").c_str(), id, nullptr, MS_BIND, nullptr) == 0;  // keeps the file
}

child_process child_with_pid(int pid, const std::function<int()>& body) {
  write_file("/proc/sys/kernel/ns_last_pid", std::to_string(pid - 1));
  return child_process([&] { return ::getpid() == pid ? body() : 3; });
}

}  // namespace testing
