#pragma once
/// The naked system calls: the least that does the job without lockkit. What they lack (a crashed holder's leftover
/// stays, no deadline, no owner, torn or lost files on a crash) is what the ratio pays for.

#include <cstddef>
#include <span>
#include <string>

namespace benchmark {

/// Throws std::system_error naming `what` if a call returned -1.
long checked(long result, const char* what);

/// open(O_CREAT|O_EXCL), close, unlink.
void exclusive_creation(const char* path);
/// open, flock, close. `operation`: LOCK_EX or LOCK_SH.
void open_flock_close(const char* path, int operation);
/// flock, unlock on a descriptor that is kept.
void flock_unlock(int fd, int operation);
/// A descriptor for these.
[[nodiscard]] int open_or_create(const char* path);

/// write a temporary file, perhaps fsync it, rename it, perhaps fsync the directory.
struct naked_publish {
  std::string target;
  bool sync_file = false;
  bool sync_directory = false;
  void operator()(std::span<const std::byte> content) const;
};

/// open, fstat, close.
void open_look_close(const char* path);
/// Copies inside the kernel to a temporary file and renames it.
void naked_copy(const std::string& from, const std::string& to);

/// What a lock_file does for one turn, in system calls: guard's lock, record, link; compare, unlink, unlock. Waits in
/// the kernel's queue, so without deadlines.
class blocking_protocol {
 public:
  explicit blocking_protocol(const std::string& path);
  void acquire();
  void release();

 private:
  std::string path_;
  int guard_;
};

}  // namespace benchmark
