/// What a kernel or a filesystem may lack: each lock works, works by looking again and again, or is refused with a reason.
/// Never is it granted silently. docs/filesystems.md is the table of what is shown here.
///
/// Seen to fail: with a refused flock taken for a grant; without the fallback of a plant, and of O_TMPFILE; without the
/// probe of locks that a server grants to everybody.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using detail::plant_method;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

bool another_process_gets(const fs::path& path, const lock_options& options = {}) {
  testing::child_process other([&] { return lock_file(path, options).try_lock() ? 0 : 1; });
  return other.wait() == 0;
}

}  // namespace

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

/// Every call of that name fails for as long as this lives.
struct lacking {
  lacking(const char* call, int error) {
    fault::arm({.what = fault::action::fail, .name = call, .times = 1'000'000, .error = error});
  }
  ~lacking() { fault::disarm(); }
  lacking(const lacking&) = delete;
  lacking& operator=(const lacking&) = delete;
};

/// A process that lacks something waits for a lock that this one holds: 0 once it had it.
int wait_without(const fs::path& path, const char* call, int error, const std::function<void()>& release) {
  testing::signal_pipe waits;
  testing::child_process waiter([&] {
    const lacking this_call(call, error);
    lock_file lock(path, {.on_wait = [&](const wait_notice&) { waits.send(); }});
    std::error_code ec;
    const bool held = lock.try_lock_until(deadline::after(30s), ec);
    return held && !ec && fs::exists(path) ? 0 : 1;
  });
  waits.receive();
  release();
  return waiter.wait();
}

}  // namespace

TEST_CASE("without flock a lock is refused with a reason, whatever the kernel calls it") {
  for (const int error : {ENOSYS, EOPNOTSUPP, ENOLCK, EPERM, EINVAL, EMLINK}) {
    for (const std::uint64_t nth : {1, 2}) {  // the guard's, the own file's
      testing::scratch_directory place;
      lock_file lock(place / "l");
      if (nth == 2) detail::lock_file_internals::use_plant(lock, plant_method::own_file);
      fault::arm({.what = fault::action::fail, .name = "flock", .nth = nth, .error = error});
      std::error_code ec;
      CHECK_FALSE(lock.try_lock(ec));
      fault::disarm();
      CHECK(ec);
      if (nth == 1 && error != EPERM && error != EINVAL && error != EMLINK) CHECK(ec == errc::unsupported_filesystem);
      CHECK(place.names() == std::set<std::string>{".l.guard"});
      file_mutex mutex(place / "m");
      fault::arm({.what = fault::action::fail, .name = "flock", .error = error});
      CHECK_FALSE(mutex.try_lock(ec));
      fault::disarm();
      CHECK(ec);
    }
  }
}

TEST_CASE("without hard links a lock file is a file of its own, and excludes as ever") {
  for (const int error : {EPERM, EACCES, EMLINK, EOPNOTSUPP, ENOSYS, EXDEV, EINVAL, EROFS, ENOENT}) {
    INFO(error);
    testing::scratch_directory place;
    lock_file lock(place / "l");
    {
      const lacking links("linkat", error);
      REQUIRE(lock.try_lock());
      CHECK_FALSE(another_process_gets(place / "l"));
    }
    CHECK(fs::hard_link_count(place / "l") == 1);
    CHECK_FALSE(another_process_gets(place / "l"));
    lock.unlock();
    CHECK(another_process_gets(place / "l"));
    lock_file next(place / "l");
    CHECK(next.try_lock());
    next.unlock();
    CHECK(place.names() == std::set<std::string>{".l.guard"});
  }
}

TEST_CASE("without RENAME_NOREPLACE a lock file is made by exclusive creation, and excludes as ever") {
  for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    INFO(error);
    testing::scratch_directory place;
    lock_file lock(place / "l");
    detail::lock_file_internals::use_plant(lock, plant_method::own_file);
    {
      const lacking rename("renameat2", error);
      REQUIRE(lock.try_lock());
    }
    CHECK_FALSE(another_process_gets(place / "l"));
    lock.unlock();
    CHECK(place.names() == std::set<std::string>{".l.guard"});
    const lacking rename("renameat2", error);
    testing::write_file(place / "l", "4711\n");
    CHECK_FALSE(lock.try_lock());
    CHECK(testing::read_file(place / "l") == "4711\n");
  }
  testing::scratch_directory place;
  lock_file lock(place / "l");
  detail::lock_file_internals::use_plant(lock, plant_method::own_file);
  const lacking rename("renameat2", EPERM);  // not a lack: an answer
  std::error_code ec;
  CHECK_FALSE(lock.try_lock(ec));
  CHECK(ec == std::errc::operation_not_permitted);
  CHECK(place.names() == std::set<std::string>{".l.guard"});
}

TEST_CASE("without inotify a script's file is waited for by looking again and again") {
  for (const char* call : {"inotify_init1", "inotify_add_watch"}) {
    for (const int error : {EMFILE, ENFILE, ENOSYS, ENOSPC, EACCES}) {
      INFO(call << ", " << error);
      testing::scratch_directory place;
      testing::write_file(place / "l", "");
      CHECK(wait_without(place / "l", call, error, [&] { fs::remove(place / "l"); }) == 0);
    }
  }
}

TEST_CASE("without marks of waiters, or a word to sleep on, a lock is waited for by looking again and again") {
  const std::vector<std::pair<const char*, int>> lacks = {{"fcntl", EINVAL}, {"fcntl", ENOLCK}, {"fcntl", EOPNOTSUPP},
                                                          {"mmap", ENODEV},  {"mmap", ENOMEM},  {"futex", ENOSYS}};
  for (const auto& [call, error] : lacks) {
    INFO(call << ", " << error);
    testing::scratch_directory place;
    lock_file holder(place / "l");
    holder.lock();
    CHECK(wait_without(place / "l", call, error, [&] { holder.unlock(); }) == 0);
    const lacking marks(call, error);
    CHECK(holder.try_lock());
    holder.unlock();
  }
}

TEST_CASE("without O_TMPFILE a guard with a mode of its own is made all the same") {
  for (const int error : {EOPNOTSUPP, EISDIR, EINVAL, ENOSYS}) {
    INFO(error);
    testing::scratch_directory place;
    lock_file lock(place / "l", {.mode = fs::perms(0640)});
    fault::arm(
        {.what = fault::action::fail, .name = "openat", .nth = 3, .error = error});  // guard, directory, O_TMPFILE
    CHECK(lock.try_lock());
    CHECK(fault::fired());
    fault::disarm();
    CHECK(fs::status(place / ".l.guard").permissions() == fs::perms(0640));
  }
}

#endif

TEST_CASE(
    "in a sticky directory another user's crashed lock file is an error that says what to do, not a wait or a theft") {
  if (::geteuid() != 0) return;
  testing::scratch_directory place;
  ::chmod(place.path().c_str(), 01777);
  const auto as_user = [&](unsigned user, const std::function<int()>& body) {
    testing::child_process child([&] {
      if (::setgid(user) != 0 || ::setuid(user) != 0) return 2;
      return body();
    });
    return child.wait();
  };
  const lock_options shared = {.mode = fs::perms(0666)};
  for (const auto method : {plant_method::automatic, plant_method::own_file}) {
    REQUIRE(as_user(12345, [&]() -> int {
              lock_file lock(place / "l", shared);
              detail::lock_file_internals::use_plant(lock, method);
              lock.lock();
              ::_exit(0);  // as though killed
            }) == 0);
    REQUIRE(fs::exists(place / "l"));
    CHECK(as_user(54321, [&] {
            std::error_code ec;
            lock_file lock(place / "l", shared);
            if (lock.try_lock(ec) || ec != errc::leftover_of_another_user) return 1;
            return lock.try_lock_until(deadline::after(30s), ec) || ec != errc::leftover_of_another_user ? 1 : 0;
          }) == 0);
    CHECK(fs::exists(place / "l"));
    CHECK(as_user(12345, [&] { return lock_file(place / "l", shared).try_lock() ? 0 : 1; }) == 0);
    CHECK_FALSE(fs::exists(place / "l"));
  }
}

namespace {

/// A FUSE filesystem without hard links, RENAME_NOREPLACE and O_TMPFILE. `way`: "keep": the kernel keeps its locks;
/// "grant", "refuse": what the server answers to flock.
class lacking_filesystem {
 public:
  explicit lacking_filesystem(const std::string& way) {
    fs::create_directory(place_ / "behind");
    fs::create_directory(path());
    if (::access("/dev/fuse", R_OK | W_OK) != 0 || ::access("/usr/bin/python3", X_OK) != 0) return;
    server_.emplace([&] {
      return testing::run_program(
          {"/usr/bin/python3", "-B", LOCKKIT_LACKING_FILESYSTEM, way, (place_ / "behind").string(), path().string()});
    });
    struct stat outside{};
    struct stat inside{};
    ::stat(place_.path().c_str(), &outside);
    const deadline patience = deadline::after(10s);
    while (!mounted_ && !patience.expired()) {
      mounted_ = ::stat(path().c_str(), &inside) == 0 && inside.st_dev != outside.st_dev;
      std::this_thread::sleep_for(5ms);
    }
  }
  ~lacking_filesystem() {
    if (mounted_) testing::run_program({"umount", "-l", path().string()});
    if (mounted_) server_->wait();
  }
  lacking_filesystem(const lacking_filesystem&) = delete;
  lacking_filesystem& operator=(const lacking_filesystem&) = delete;
  bool mounted() const { return mounted_; }
  fs::path path() const { return place_ / "mount"; }

 private:
  testing::scratch_directory place_;
  std::optional<testing::child_process> server_;
  bool mounted_ = false;
};

}  // namespace

TEST_CASE("on a FUSE filesystem without links, NOREPLACE and O_TMPFILE a trusted lock excludes and is waited for") {
  const lacking_filesystem lacking("keep");
  if (!lacking.mounted()) {
    WARN("skipped: no FUSE, or no fusepy, here");
    return;
  }
  const fs::path path = lacking.path() / "l";
  std::error_code ec;
  CHECK_FALSE(lock_file(path).try_lock(ec));
  CHECK(ec == errc::unsupported_filesystem);
  CHECK(fs::is_empty(lacking.path()));
  const lock_options trusting = {.mode = fs::perms(0644), .remote = remote_policy::trust_server};
  lock_file lock(path, trusting);
  REQUIRE(lock.try_lock(ec));
  CHECK(testing::read_file(path).find(" lockkit/1 ") != std::string::npos);
  CHECK_FALSE(another_process_gets(path, trusting));
  CHECK(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666) == -1);
  testing::signal_pipe waits;
  testing::child_process waiter([&] {
    lock_options options = trusting;
    options.on_wait = [&](const wait_notice&) { waits.send(); };
    return lock_file(path, options).try_lock_for(30s) ? 0 : 1;
  });
  waits.receive();
  lock.unlock();
  CHECK(waiter.wait() == 0);
  testing::write_file(path, "4711\n");
  testing::child_process behind_script([&] {
    lock_options options = trusting;
    options.on_wait = [&](const wait_notice&) { waits.send(); };
    return lock_file(path, options).try_lock_for(30s) ? 0 : 1;
  });
  waits.receive();
  fs::remove(path);
  CHECK(behind_script.wait() == 0);
  lock_options everyone = trusting;
  everyone.excludes = keep_out::everyone;
  CHECK_FALSE(lock_file(path, everyone).try_lock(ec));
  CHECK(ec == errc::unsupported_filesystem);
  lock_options ephemeral = trusting;
  ephemeral.ephemeral_guard = true;
  CHECK(another_process_gets(path, ephemeral));
  CHECK(fs::exists(lacking.path() / ".l.guard"));  // it stays: waiters leave no mark there
}

TEST_CASE("on a FUSE filesystem whose flock is refused, or granted to everybody, no lock is granted even by trust") {
  for (const char* way : {"grant", "refuse"}) {
    INFO(way);
    const lacking_filesystem lacking(way);
    if (!lacking.mounted()) {
      WARN("skipped: no FUSE, or no fusepy, here");
      return;
    }
    std::error_code ec;
    lock_file lock(lacking.path() / "l", {.remote = remote_policy::trust_server});
    CHECK_FALSE(lock.try_lock(ec));
    CHECK(ec == errc::unsupported_filesystem);
    CHECK_FALSE(fs::exists(lacking.path() / "l"));
    file_mutex mutex(lacking.path() / "m", {.remote = remote_policy::trust_server});
    CHECK_FALSE(mutex.try_lock(ec));
    CHECK(ec == errc::unsupported_filesystem);
    try {
      lock.lock();
      FAIL("not thrown");
    } catch (const error& failure) {
      CHECK(std::string(failure.what()).find("use a local directory") != std::string::npos);
    }
  }
}
