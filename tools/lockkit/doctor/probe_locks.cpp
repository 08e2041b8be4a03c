/// Kernel locks, with a forked child as the witness: some filesystems grant every lock to everybody.
#include <sys/file.h>
#include <sys/wait.h>

#include "doctor/examination.hpp"
#include "doctor/scratch.hpp"

namespace lockkit_command {
namespace {

namespace fs = std::filesystem;

using lock_call = int (*)(int fd);

int by_flock(int fd) {
  return ::flock(fd, LOCK_EX | LOCK_NB);
}

template <int command>
int by_record(int fd) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return ::fcntl(fd, command, &lock);
}

enum class witness { refused, let_in, failed };

/// Only calls that a child of any process may make.
witness ask_another_process(const fs::path& path, lock_call lock) {
  const pid_t child = ::fork();
  if (child == 0) {
    const probe_file file(path, O_RDWR);
    if (lock(file.fd()) == 0) ::_exit(1);
    ::_exit(errno == EWOULDBLOCK || errno == EACCES ? 0 : 2);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return witness::failed;
  return WEXITSTATUS(status) == 0 ? witness::refused : WEXITSTATUS(status) == 1 ? witness::let_in : witness::failed;
}

probe_result probe(const fs::path& place, const char* name, lock_call lock) {
  const fs::path path = place / name;
  const probe_file file(path, O_RDWR | O_CREAT);
  const std::string failure =
      file.error() != 0 ? std::error_code(file.error(), std::system_category()).message() : failure_of(lock(file.fd()));
  if (!failure.empty()) return {name, false, failure};
  switch (ask_another_process(path, lock)) {
    case witness::refused:
      return {name, true, "a second process is refused"};
    case witness::let_in:
      return {name, false, "a second process is let in: these locks are none"};
    case witness::failed:
      break;
  }
  return {name, std::nullopt, "a second process could not try"};
}

}  // namespace

std::vector<probe_result> probe_locks(const fs::path& place) {
  return {probe(place, "flock", by_flock), probe(place, "ofd_lock", by_record<F_OFD_SETLK>),
          probe(place, "posix_lock", by_record<F_SETLK>)};
}

}  // namespace lockkit_command
