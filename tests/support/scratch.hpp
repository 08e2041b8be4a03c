#pragma once
/// Places to test in, and what must not be left there.

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace testing {

/// Where syncing costs nothing, for tests that count states and not the disk's work: /dev/shm if there is one.
std::filesystem::path memory_directory();

/// A new directory, removed with everything in it. Under LOCKKIT_TEST_DIRECTORY if that is set, else in `base`, else in
/// the system's temporary directory.
class scratch_directory {
 public:
  explicit scratch_directory(const std::filesystem::path& base = {});
  ~scratch_directory();
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }
  /// Names in it, hidden ones too, not recursive.
  std::set<std::string> names() const;

 private:
  std::filesystem::path path_;
};

/// A filesystem of its own on a loop device or tmpfs, unmounted when destroyed. `kind`: "tmpfs", "ext4", "xfs",
/// "btrfs". mounted() is false where mounting is not permitted: say so and skip.
class scratch_mount {
 public:
  scratch_mount(const std::string& kind, const std::string& options = {}, unsigned megabytes = 320);
  ~scratch_mount();
  scratch_mount(const scratch_mount&) = delete;
  scratch_mount& operator=(const scratch_mount&) = delete;
  bool mounted() const { return mounted_; }
  std::filesystem::path path() const { return directory_ / "mount"; }
  /// What the loop device shows; none for tmpfs.
  std::filesystem::path image() const { return directory_ / "image"; }

 private:
  scratch_directory directory_;
  bool mounted_;
};

std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, const std::string& text);
/// Open descriptors of this process.
std::size_t open_descriptors();

}  // namespace testing
