#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <regex>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using lockkit::create_unique_directory;
using lockkit::ensure_directory;
using lockkit::ensure_writable_directory;
using lockkit::errc;

namespace {

namespace fs = std::filesystem;

constexpr lockkit::retry_policy once{.attempts = 1};

std::error_code try_ensure(const fs::path& path) {
  std::error_code ec;
  ensure_directory(path, {.retries = once}, ec);
  return ec;
}

std::error_code try_ensure_writable(const fs::path& path) {
  std::error_code ec;
  ensure_writable_directory(path, {.retries = once}, ec);
  return ec;
}

unsigned mode_of(const fs::path& path) {
  return static_cast<unsigned>(fs::status(path).permissions());
}

struct umask_guard {
  explicit umask_guard(mode_t mask) : old(::umask(mask)) {}
  ~umask_guard() { ::umask(old); }
  mode_t old;
};

}  // namespace

TEST_CASE("ensure_directory makes missing parents and says whether it made the last one") {
  testing::scratch_directory place;
  CHECK(ensure_directory(place / "a/b/c"));
  CHECK_FALSE(ensure_directory(place / "a/b/c"));
  CHECK_FALSE(ensure_directory(place / "a/b"));
  CHECK(ensure_directory(place / "a/d/"));
  CHECK(ensure_directory(place / "x/y/."));
  CHECK(fs::is_directory(place / "x/y"));
  CHECK_FALSE(ensure_directory("."));
  CHECK_FALSE(ensure_directory("/"));
}

TEST_CASE("a relative path is made below the working directory") {
  testing::scratch_directory place;
  testing::child_process child([&] {
    fs::current_path(place.path());
    return ensure_directory("one/two") && fs::is_directory(place / "one/two") ? 0 : 1;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("whatever else stands in the way is not_a_directory, and stays") {
  testing::scratch_directory place;
  testing::write_file(place / "file", "kept");
  fs::create_symlink("nowhere", place / "dangling");
  fs::create_directory(place / "real");
  fs::create_symlink("real", place / "link");
  CHECK(try_ensure(place / "file") == std::errc::not_a_directory);
  CHECK(try_ensure(place / "file/below") == std::errc::not_a_directory);
  CHECK(try_ensure(place / "dangling") == std::errc::not_a_directory);
  CHECK_FALSE(try_ensure(place / "link"));
  CHECK_FALSE(try_ensure(place / "link/below"));
  CHECK(fs::is_directory(place / "real/below"));
  CHECK(testing::read_file(place / "file") == "kept");
  CHECK_FALSE(fs::exists(place / "nowhere"));
}

TEST_CASE("paths that name no directory are refused") {
  testing::scratch_directory place;
  CHECK(try_ensure("") == errc::invalid_name);
  CHECK(try_ensure((place / "a").string() + '\0' + "b") == errc::invalid_name);
  CHECK(try_ensure(place / std::string(256, 'n')) == std::errc::filename_too_long);
  CHECK_FALSE(try_ensure(place / std::string(255, 'n')));
}

TEST_CASE("a mode is exact for what was made and untouched for what was there") {
  testing::scratch_directory place;
  const umask_guard guard(0077);
  ensure_directory(place / "plain");
  CHECK(mode_of(place / "plain") == 0700U);
  ensure_directory(place / "a/b", {.mode = fs::perms(0775)});
  CHECK(mode_of(place / "a") == 0775U);
  CHECK(mode_of(place / "a/b") == 0775U);
  ensure_directory(place / "a", {.mode = fs::perms(0700)});
  CHECK(mode_of(place / "a") == 0775U);
  ensure_directory(place / "shared", {.mode = fs::perms(02770)});
  CHECK(mode_of(place / "shared") == 02770U);
}

TEST_CASE("a directory that exists where none can be made is no error") {
  const testing::scratch_mount mount("tmpfs");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  fs::create_directory(mount.path() / "there");
  REQUIRE(::mount(nullptr, mount.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  CHECK_FALSE(try_ensure(mount.path() / "there"));
  CHECK(try_ensure(mount.path() / "missing") == std::errc::read_only_file_system);
  CHECK(try_ensure_writable(mount.path() / "there") == errc::not_writable);
}

TEST_CASE("a writable directory is proved to be one, without a trace") {
  testing::scratch_directory place;
  CHECK(ensure_writable_directory(place / "a/b"));
  CHECK_FALSE(ensure_writable_directory(place / "a/b"));
  CHECK(fs::is_empty(place / "a/b"));
  const testing::scratch_mount full("tmpfs", "nr_inodes=1");
  if (!full.mounted()) {
    WARN("mounting is not permitted here: the full filesystem is not tested");
    return;
  }
  CHECK(try_ensure_writable(full.path()) == errc::not_writable);
}

TEST_CASE("a directory without write permission is not_writable") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user");
    return;
  }
  testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0755));
  testing::child_process child([&] {
    if (::setgid(1000) != 0 || ::setuid(1000) != 0) return 98;
    return try_ensure_writable(place.path()) == errc::not_writable ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(place.names().empty());
}

TEST_CASE("a directory in which nothing can be removed is not_writable") {
  testing::scratch_directory place;
  fs::create_directory(place / "log");
  const int fd = ::open((place / "log").c_str(), O_RDONLY | O_CLOEXEC);
  int flags = FS_APPEND_FL;
  if (::ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) {
    WARN("this filesystem or user can't make a directory append-only");
    ::close(fd);
    return;
  }
  CHECK(try_ensure_writable(place / "log") == errc::not_writable);
  CHECK(fs::is_empty(place / "log"));
  flags = 0;
  ::ioctl(fd, FS_IOC_SETFLAGS, &flags);
  ::close(fd);
}

TEST_CASE("directories are made by eight processes while others remove the parents") {
  testing::scratch_directory place;
  testing::signal_pipe done;
  std::vector<testing::child_process> removers;
  for (int i = 0; i < 2; ++i) {
    removers.emplace_back([&] {
      while (!done.ready(0)) {
        for (const char* path : {"a/b/c", "a/b", "a"}) ::rmdir((place / path).c_str());
      }
      return 0;
    });
  }
  std::vector<testing::child_process> makers;
  for (int i = 0; i < 8; ++i) {
    makers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) ensure_directory(place / "a/b/c");
      return 0;
    });
  }
  for (auto& maker : makers) CHECK(maker.wait() == 0);
  done.send();
  for (auto& remover : removers) CHECK(remover.wait() == 0);
}

TEST_CASE("of many processes that make one directory, one is told that it did") {
  testing::scratch_directory place;
  for (int round = 0; round < 20; ++round) {
    std::vector<testing::child_process> makers;
    for (int i = 0; i < 4; ++i) {
      makers.emplace_back([&] { return ensure_directory(place / std::to_string(round) / "sub") ? 1 : 0; });
    }
    int made = 0;
    for (auto& maker : makers) made += maker.wait();
    CHECK(made == 1);
  }
}

TEST_CASE("unique directories have prefix, time and random part, and exist") {
  testing::scratch_directory place;
  const fs::path made = create_unique_directory(place / "parent", "run-", {.mode = fs::perms(0750)});
  CHECK(fs::is_directory(made));
  CHECK(mode_of(made) == 0750U);
  CHECK(made.parent_path() == place / "parent");
  CHECK(std::regex_match(made.filename().string(), std::regex("run-[0-9]{8}T[0-9]{6}Z-[a-z2-7]{26}")));
}

TEST_CASE("a prefix can't lead out of the parent") {
  testing::scratch_directory place;
  for (const std::string& prefix : {std::string("../x"), std::string("a/b"), std::string("a\0b", 3)}) {
    std::error_code ec;
    CHECK(create_unique_directory(place / "parent", prefix, {}, ec).empty());
    CHECK(ec == errc::invalid_name);
  }
  std::error_code ec;
  CHECK(create_unique_directory(place / "parent", std::string(250, 'p'), {}, ec).empty());
  CHECK(ec == std::errc::filename_too_long);
  CHECK(place.names().empty());
}

TEST_CASE("two thousand unique directories from four processes are all distinct") {
  testing::scratch_directory place;
  const testing::scratch_mount quick("tmpfs");  // where removing 2,000 directories takes no time
  const fs::path parent = quick.mounted() ? quick.path() : place.path();
  std::vector<testing::child_process> makers;
  for (int i = 0; i < 4; ++i) {
    makers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        if (create_unique_directory(parent).empty()) return 1;
      }
      return 0;
    });
  }
  for (auto& maker : makers) CHECK(maker.wait() == 0);
  CHECK(std::distance(fs::directory_iterator(parent), fs::directory_iterator()) == 2000);
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;

TEST_CASE("a unique directory is never one that existed before") {
  testing::scratch_directory place;
  fault::arm({.what = fault::action::fail, .name = "mkdirat", .nth = 2, .times = 3, .error = EEXIST});
  std::error_code ec;
  const fs::path made = create_unique_directory(place.path(), "", {}, ec);
  fault::disarm();
  CHECK_FALSE(ec);
  CHECK(fs::is_directory(made));
  CHECK(place.names().size() == 1);
}

TEST_CASE("a directory that is removed meanwhile is made again") {
  testing::scratch_directory place;
  // mkdir says that it is there, looking says that it is not: as when others remove it each time.
  fault::arm({.what = fault::action::fail, .name = "mkdirat", .times = 32, .error = EEXIST});
  const std::error_code ec = try_ensure(place / "d");
  fault::disarm();
  CHECK_FALSE(ec);
  CHECK(fs::is_directory(place / "d"));
}

TEST_CASE("a directory that is removed again and again ends in an error, not in a loop") {
  testing::scratch_directory place;
  fault::arm({.what = fault::action::fail, .name = "mkdirat", .times = 1'000'000, .error = EEXIST});
  const std::error_code ec = try_ensure(place / "d");
  fault::disarm();
  CHECK(ec.value() == ESTALE);
}

TEST_CASE("passing errors are retried within the policy, others are not") {
  testing::scratch_directory place;
  lockkit::retry_policy quick;
  quick.pauses.first = std::chrono::microseconds(10);
  for (const auto& [error, times, works] : {std::tuple(EIO, 4, true), {EIO, 5, false}, {EACCES, 1, false}}) {
    std::error_code ec;
    fault::arm(
        {.what = fault::action::fail, .name = "mkdirat", .times = static_cast<std::uint64_t>(times), .error = error});
    const bool made = ensure_directory(place / "d", {.retries = quick}, ec);
    fault::disarm();
    CHECK(made == works);
    CHECK((ec.value() == error) == !works);
    fs::remove(place / "d");
  }
}

TEST_CASE("each call of making directories failing once is a clean error or success, and leaks nothing") {
  testing::scratch_directory place;
  const auto work = [&](std::error_code& ec) {
    ensure_writable_directory(place / "a/b", {.mode = fs::perms(0700), .retries = once}, ec);
    if (!ec) fs::remove(create_unique_directory(place / "a/b", "u", {.mode = fs::perms(0700), .retries = once}, ec));
  };
  std::error_code ec;
  fault::start_recording();
  work(ec);
  const auto calls = fault::stop_recording();
  REQUIRE_FALSE(ec);
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : {EIO, ENOSPC, EMFILE, EACCES, EINTR}) {
      fs::remove_all(place / "a");
      const std::size_t before = testing::open_descriptors();
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      work(ec);
      fault::disarm();
      INFO(calls[i - 1] << " (call " << i << ") fails with errno " << error << ": " << ec.message());
      if (error == EINTR) CHECK_FALSE(ec);
      CHECK(testing::open_descriptors() == before);
      if (fs::exists(place / "a/b")) {
        for (const auto& entry : fs::directory_iterator(place / "a/b")) CHECK(entry.is_directory());
      }
    }
  }
}
#endif

TEST_CASE("killed at any call, proving a directory writable leaves nothing in it") {
  testing::scratch_directory place;
  fs::create_directory(place / "d");
  const std::size_t points = testing::kill_at_every_call([] {}, [&] { ensure_writable_directory(place / "d"); },
                                                         [&](std::size_t) { CHECK(fs::is_empty(place / "d")); });
  CHECK(points >= 4);
}
