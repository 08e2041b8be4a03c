#include "naked.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace benchmark {

long checked(long result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::system_category(), what);
  return result;
}

void exclusive_creation(const char* path) {
  const int fd = static_cast<int>(checked(::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666), "open"));
  ::close(fd);
  checked(::unlink(path), "unlink");
}

void open_flock_close(const char* path, int operation) {
  const int fd = open_or_create(path);
  checked(::flock(fd, operation), "flock");
  ::close(fd);
}

void flock_unlock(int fd, int operation) {
  checked(::flock(fd, operation), "flock");
  checked(::flock(fd, LOCK_UN), "flock");
}

int open_or_create(const char* path) {
  return static_cast<int>(checked(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), "open"));
}

void naked_publish::operator()(std::span<const std::byte> content) const {
  const std::string temporary = target + ".new";
  const int fd =
      static_cast<int>(checked(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), "open"));
  checked(::write(fd, content.data(), content.size()), "write");
  if (sync_file) checked(::fsync(fd), "fsync");
  ::close(fd);
  checked(::rename(temporary.c_str(), target.c_str()), "rename");
  if (!sync_directory) return;
  const std::string parent = std::filesystem::path(target).parent_path();
  const int directory = static_cast<int>(checked(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"));
  checked(::fsync(directory), "fsync");
  ::close(directory);
}

void open_look_close(const char* path) {
  struct stat found{};
  const int fd = static_cast<int>(checked(::open(path, O_RDONLY | O_CLOEXEC), "open"));
  checked(::fstat(fd, &found), "fstat");
  ::close(fd);
}

void naked_copy(const std::string& from, const std::string& to) {
  const std::string temporary = to + ".new";
  const int in = static_cast<int>(checked(::open(from.c_str(), O_RDONLY | O_CLOEXEC), "open"));
  const int out = open_or_create(temporary.c_str());
  while (checked(::copy_file_range(in, nullptr, out, nullptr, std::size_t{1} << 30U, 0), "copy_file_range") > 0) {
  }
  ::close(in);
  ::close(out);
  checked(::rename(temporary.c_str(), to.c_str()), "rename");
}

blocking_protocol::blocking_protocol(const std::string& path)
    : path_(path), guard_(open_or_create((path + ".naked-guard").c_str())) {}

void blocking_protocol::acquire() {
  std::array<char, 256> record{};
  checked(::flock(guard_, LOCK_EX), "flock");
  checked(::pread(guard_, record.data(), record.size(), 0), "pread");
  checked(::pwrite(guard_, record.data(), record.size(), 0), "pwrite");
  checked(::linkat(guard_, "", AT_FDCWD, path_.c_str(), AT_EMPTY_PATH), "linkat");
}

void blocking_protocol::release() {
  struct stat found{};
  checked(::lstat(path_.c_str(), &found), "lstat");
  checked(::unlink(path_.c_str()), "unlink");
  checked(::flock(guard_, LOCK_UN), "flock");
}

}  // namespace benchmark
