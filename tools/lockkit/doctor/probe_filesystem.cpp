#include <linux/fs.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>

#include "doctor/examination.hpp"
#include "doctor/scratch.hpp"

namespace lockkit_command {
namespace {

namespace fs = std::filesystem;

probe_result from_failure(std::string name, const std::string& failure, const std::string& how = {}) {
  return {std::move(name), failure.empty(), failure.empty() ? how : failure};
}

probe_result exclusive_create(const fs::path& place) {
  const probe_file first(place / "exclusive", O_RDWR | O_CREAT | O_EXCL);
  if (first.error() != 0)
    return from_failure("exclusive_create", std::error_code(first.error(), std::system_category()).message());
  const probe_file second(place / "exclusive", O_RDWR | O_CREAT | O_EXCL);
  return from_failure("exclusive_create", second.error() == EEXIST ? "" : "a second one succeeds, too");
}

probe_result write_and_sync(const fs::path& place) {
  const probe_file file(place / "data", O_RDWR | O_CREAT | O_EXCL);
  const std::array<char, 4096> page{};
  if (file.error() != 0)
    return from_failure("write_and_sync", std::error_code(file.error(), std::system_category()).message());
  const ssize_t written = ::write(file.fd(), page.data(), page.size());
  if (written != static_cast<ssize_t>(page.size()))
    return from_failure("write_and_sync", written < 0 ? failure_of(-1) : "short");
  return from_failure("write_and_sync", failure_of(::fsync(file.fd())));
}

probe_result link_by_descriptor(const fs::path& place) {
  const probe_file file(place / "linked", O_RDWR | O_CREAT);
  if (::linkat(file.fd(), "", AT_FDCWD, (place / "link").c_str(), AT_EMPTY_PATH) == 0) {
    return from_failure("link_by_descriptor", "", "AT_EMPTY_PATH");
  }
  const std::string by_proc = "/proc/self/fd/" + std::to_string(file.fd());
  return from_failure(
      "link_by_descriptor",
      failure_of(::linkat(AT_FDCWD, by_proc.c_str(), AT_FDCWD, (place / "link").c_str(), AT_SYMLINK_FOLLOW)),
      "through /proc");
}

/// An event must arrive, not only be promised.
probe_result inotify(const fs::path& place) {
  const probe_file file(place / "watched", O_RDWR | O_CREAT);
  const int watch = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  std::string failure = failure_of(watch);
  if (failure.empty())
    failure = failure_of(::inotify_add_watch(watch, (place / "watched").c_str(), IN_ATTRIB | IN_DELETE_SELF));
  if (failure.empty()) failure = failure_of(::unlink((place / "watched").c_str()));
  pollfd waited = {watch, POLLIN, 0};
  if (failure.empty() && ::poll(&waited, 1, 1000) != 1) failure = "no event came within a second";
  ::close(watch);
  return from_failure("inotify", failure);
}

probe_result unnamed_file(const fs::path& place) {
  const probe_file file(place, O_RDWR | O_TMPFILE);
  if (file.error() != 0)
    return from_failure("unnamed_file", std::error_code(file.error(), std::system_category()).message());
  const std::string by_proc = "/proc/self/fd/" + std::to_string(file.fd());
  return from_failure("unnamed_file", failure_of(::linkat(AT_FDCWD, by_proc.c_str(), AT_FDCWD,
                                                          (place / "named").c_str(), AT_SYMLINK_FOLLOW)));
}

int rename_with(const fs::path& from, const fs::path& to, unsigned flags) {
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

probe_result rename_noreplace(const fs::path& place) {
  const probe_file from(place / "from", O_RDWR | O_CREAT);
  const probe_file there(place / "there", O_RDWR | O_CREAT);
  if (rename_with(place / "from", place / "there", RENAME_NOREPLACE) == 0) {
    return from_failure("rename_noreplace", "it replaces all the same");
  }
  if (errno != EEXIST) return from_failure("rename_noreplace", failure_of(-1));
  return from_failure("rename_noreplace", failure_of(rename_with(place / "from", place / "to", RENAME_NOREPLACE)));
}

probe_result rename_exchange(const fs::path& place) {
  const probe_file one(place / "one", O_RDWR | O_CREAT);
  const probe_file two(place / "two", O_RDWR | O_CREAT);
  return from_failure("rename_exchange", failure_of(rename_with(place / "one", place / "two", RENAME_EXCHANGE)));
}

probe_result directory_sync(const fs::path& place) {
  const probe_file directory(place, O_RDONLY | O_DIRECTORY);
  return from_failure("directory_sync", failure_of(::fsync(directory.fd())));
}

/// Of the page that write_and_sync left.
probe_result reflink(const fs::path& place) {
  const probe_file from(place / "data", O_RDONLY);
  const probe_file to(place / "clone", O_RDWR | O_CREAT);
  return from_failure("reflink", failure_of(::ioctl(to.fd(), FICLONE, from.fd())));
}

}  // namespace

std::vector<probe_result> probe_filesystem(const fs::path& place) {
  std::vector<probe_result> results;
  for (const auto probe : {exclusive_create, write_and_sync, link_by_descriptor}) results.push_back(probe(place));
  for (probe_result& each : probe_locks(place)) results.push_back(std::move(each));
  for (const auto probe : {inotify, unnamed_file, rename_noreplace, rename_exchange, directory_sync, reflink}) {
    results.push_back(probe(place));
  }
  return results;
}

}  // namespace lockkit_command
