/// Locks on filesystems of every kind that have become full, or read-only, and in an overlay over somebody's lock. (The
/// rest of what locks promise is shown on each kind by scripts/test-filesystems.)
/// Seen to fail: with a record written without looking at the result; with orphans respected.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace testing;
using lockkit::lock_file;
namespace fs = std::filesystem;

namespace {

/// Takes all the room that there is, for data first and then for names.
void fill(const fs::path& directory) {
  const int fd = ::open((directory / "filler").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  REQUIRE(fd >= 0);
  off_t size = 0;
  for (off_t part = off_t{64} << 20; part >= 4096;) {
    if (::fallocate(fd, 0, size, part) == 0) {
      size += part;
    } else {
      part /= 2;
    }
  }
  ::close(fd);
  const std::string content(2000, 'x');  // more than fits beside a file's name
  for (int i = 0; i < 20'000; ++i) {
    const int small =
        ::open((directory / ("small." + std::to_string(i))).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (small < 0) return;
    const bool written = ::write(small, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    ::close(small);
    if (!written) return;
  }
}

void make_room(const fs::path& directory) {
  fs::remove(directory / "filler");
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("small.")) fs::remove(entry.path());
  }
}

/// Whether another process is let in.
template <class Lock>
bool is_free(const fs::path& path) {
  child_process other([&] {
    std::error_code ec;
    return Lock(path).try_lock(ec) ? 0 : 1;
  });
  return other.wait() == 0;
}

/// Had, and then excluding, or an error that says why.
template <class Lock>
void lock_or_be_told(const fs::path& path) {
  Lock lock(path);
  std::error_code ec;
  const bool held = lock.try_lock(ec);
  INFO(ec.message());
  CHECK(held != static_cast<bool>(ec));
  if (held) CHECK_FALSE(is_free<Lock>(path));
  if (held) CHECK(read_file(path).find(" lockkit/1 ") != std::string::npos);  // others can see by whom
  if (!held) CHECK(ec == std::errc::no_space_on_device);
  lock.unlock();
}

}  // namespace

TEMPLATE_TEST_CASE(
    "on a full filesystem of any kind a lock is had or refused with a reason, and works when there is room", "",
    lock_file, lockkit::file_mutex) {
  for (const std::string kind : {"ext4", "xfs", "btrfs", "tmpfs"}) {
    INFO(kind);
    const scratch_mount mount(kind, kind == "tmpfs" ? "size=256k,nr_inodes=50" : "");
    if (!mount.mounted()) {
      WARN("skipped: " << kind << " can't be mounted here");
      continue;
    }
    TestType kept(mount.path() / "before");
    kept.lock();
    kept.unlock();
    fill(mount.path());
    lock_or_be_told<TestType>(mount.path() / "before");
    lock_or_be_told<TestType>(mount.path() / "new");
    make_room(mount.path());
    CHECK(is_free<TestType>(mount.path() / "before"));
    CHECK(is_free<TestType>(mount.path() / "new"));
    CHECK(kept.try_lock());
  }
}

TEMPLATE_TEST_CASE("on a filesystem of any kind that became read-only a lock is refused with that reason", "",
                   lock_file, lockkit::file_mutex) {
  for (const std::string kind : {"ext4", "xfs", "btrfs", "tmpfs"}) {
    INFO(kind);
    const scratch_mount mount(kind);
    if (!mount.mounted()) continue;
    CHECK(is_free<TestType>(mount.path() / "before"));
    const auto remount = [&](unsigned long flags) {
      return ::mount("none", mount.path().c_str(), nullptr, MS_REMOUNT | flags, nullptr) == 0;
    };
    REQUIRE(remount(MS_RDONLY));
    for (const char* name : {"before", "new"}) {
      std::error_code ec;
      CHECK_FALSE(TestType(mount.path() / name).try_lock(ec));
      CHECK(ec == std::errc::read_only_file_system);
    }
    REQUIRE(remount(0));
    CHECK(is_free<TestType>(mount.path() / "before"));
  }
}

TEST_CASE("a crashed holder's lock that came with the lower layer of an overlay is had at once") {
  const scratch_mount mount("ext4");
  for (const char* part : {"lower", "upper", "work", "merged"}) fs::create_directory(mount.path() / part);
  const fs::path merged = mount.path() / "merged";
  const std::string layers = "lowerdir=" + (mount.path() / "lower").string() +
                             ",upperdir=" + (mount.path() / "upper").string() +
                             ",workdir=" + (mount.path() / "work").string();
  child_process builder([&] {
    lock_file lock(mount.path() / "lower" / "l");
    lock.lock();
    ::raise(SIGKILL);
    return 0;
  });
  REQUIRE(builder.wait() == 128 + SIGKILL);
  REQUIRE(fs::exists(mount.path() / "lower" / "l"));
  if (!mount.mounted() || ::mount("overlay", merged.c_str(), "overlay", 0, layers.c_str()) != 0) {
    WARN("skipped: an overlay can't be mounted here");
    return;
  }
  {
    lock_file lock(merged / "l");
    CHECK(lock.try_lock());  // its guard is copied up, and no link of the lock file any more
    CHECK_FALSE(is_free<lock_file>(merged / "l"));
    lock.unlock();
    CHECK_FALSE(lock.lost());
    CHECK_FALSE(fs::exists(merged / "l"));
  }
  CHECK(is_free<lock_file>(merged / "l"));
  ::umount2(merged.c_str(), MNT_DETACH);
}
