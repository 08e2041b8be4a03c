/// What stands at the lock's or the guard's name and is not ours: never followed, never blocked on, never damaged.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <future>

#include <lockkit/file_mutex.hpp>
#include <lockkit/inspect.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

void make_socket(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
}

void make_something(const std::string& kind, const fs::path& path) {
  if (kind == "symlink") fs::create_symlink("victim", path);
  if (kind == "dangling symlink") fs::create_symlink("nowhere", path);
  if (kind == "directory") fs::create_directory(path);
  if (kind == "fifo") REQUIRE(::mkfifo(path.c_str(), 0666) == 0);
  if (kind == "socket") make_socket(path);
}

const std::vector<std::string> kinds = {"symlink", "dangling symlink", "directory", "fifo", "socket"};

}  // namespace

TEST_CASE("anything at the lock's name counts as held, whatever it is") {
  for (const auto& kind : kinds) {
    INFO(kind);
    testing::scratch_directory place;
    testing::write_file(place / "victim", "precious");
    make_something(kind, place / "l");
    lock_file lock(place / "l");
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_for(20ms));
    CHECK(testing::read_file(place / "victim") == "precious");
    CHECK_FALSE(fs::exists(place / "nowhere"));
    fs::remove(place / "l");
    CHECK(lock.try_lock());
  }
}

TEST_CASE("anything but a regular file at the guard's or the mutex's name is refused, at once and unharmed") {
  for (const auto& kind : kinds) {
    INFO(kind);
    testing::scratch_directory place;
    testing::write_file(place / "victim", "precious");
    make_something(kind, place / ".l.guard");
    make_something(kind, place / "m");
    std::error_code ec;
    lock_file lock(place / "l");
    CHECK_FALSE(lock.try_lock(ec));
    CHECK((ec == errc::not_a_lock_file || ec == std::errc::is_a_directory));
    file_mutex mutex(place / "m");
    CHECK_FALSE(mutex.try_lock(ec));
    CHECK((ec == errc::not_a_lock_file || ec == std::errc::is_a_directory));
    CHECK(testing::read_file(place / "victim") == "precious");
    CHECK_FALSE(fs::exists(place / "l"));
    CHECK_FALSE(fs::exists(place / "nowhere"));
  }
}

TEST_CASE("somebody's data hard-linked at the guard's name is refused and stays as it was") {
  testing::scratch_directory place;
  testing::write_file(place / "data", "precious");
  fs::create_hard_link(place / "data", place / ".l.guard");
  std::error_code ec;
  lock_file lock(place / "l");
  CHECK_FALSE(lock.try_lock(ec));
  CHECK(ec == errc::not_a_lock_file);
  CHECK(testing::read_file(place / "data") == "precious");
  CHECK_FALSE(fs::exists(place / "l"));
}

TEST_CASE("a mutex refuses a file with somebody's content") {
  testing::scratch_directory place;
  testing::write_file(place / "data", "precious");
  std::error_code ec;
  file_mutex mutex(place / "data");
  CHECK_FALSE(mutex.try_lock(ec));
  CHECK(ec == errc::not_a_lock_file);
  CHECK(testing::read_file(place / "data") == "precious");
  testing::write_file(place / "empty", "");
  file_mutex on_empty(place / "empty");
  CHECK(on_empty.try_lock());
}

TEST_CASE("a script's lock is respected, whatever it holds and however old it is") {
  for (const std::string content :
       {"", "123\n", "0\n", "-1\n", "99999999999999999999\n", "2147483647\nhost\n", "{\"pid\": 1}"}) {
    INFO(content);
    testing::scratch_directory place;
    testing::write_file(place / "l", content);
    fs::last_write_time(place / "l", fs::file_time_type::clock::now() - std::chrono::hours(1000));
    lock_file lock(place / "l");
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_for(30ms));
    CHECK(testing::read_file(place / "l") == content);
  }
}

TEST_CASE("a huge or endless file at the lock's name neither fills memory nor takes time") {
  testing::scratch_directory place;
  fs::create_symlink("/dev/zero", place / "l");
  lock_file lock(place / "l");
  CHECK_FALSE(lock.try_lock());
  fs::remove(place / "l");
  testing::write_file(place / "l", "1\n");
  fs::resize_file(place / "l", std::uintmax_t{1} << 40U);
  CHECK_FALSE(lock.try_lock());
}

TEST_CASE("a process that waits at a FIFO is not let through by somebody who tries to lock that name") {
  testing::scratch_directory place;
  REQUIRE(::mkfifo((place / "l").c_str(), 0666) == 0);
  testing::signal_pipe through;
  testing::child_process writer([&] {
    const int fd = ::open((place / "l").c_str(), O_WRONLY);
    if (fd >= 0) through.send();
    return 0;
  });
  const fs::path stat = "/proc/" + std::to_string(writer.pid()) + "/stat";
  while (testing::read_file(stat).find(") S ") == std::string::npos) std::this_thread::yield();  // it sleeps in open()
  lock_file lock(place / "l", {.timeout = 20ms});
  CHECK_FALSE(lock.try_lock());
  CHECK_THROWS_AS(lock.lock(), lock_timeout);
  CHECK(inspect(place / "l").state == lock_state::foreign);
  CHECK_FALSE(through.ready(50));
}

TEST_CASE("a waiter enters when a script removes its lock, and says that it waits for something foreign") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "4711\n");
  std::promise<std::int32_t> seen;
  lock_file lock(place / "l", {.on_wait = [&](const wait_notice& notice) {
                   CHECK(notice.foreign);
                   seen.set_value(notice.holder.pid);
                 }});
  auto waiting = std::async(std::launch::async, [&] { return lock.try_lock_for(30s); });
  CHECK(seen.get_future().get() == 4711);
  fs::remove(place / "l");
  CHECK(waiting.get());
  CHECK(testing::read_file(place / "l").find("lockkit/1") != std::string::npos);
}

TEST_CASE("a lock in which a shell holds and releases is passed on both ways") {
  testing::scratch_directory place;
  const std::string path = (place / "l").string();
  for (const char* shell : {"bash", "dash"}) {
    const auto script = "set -C; { echo $$ > '" + path + "'; } 2>/dev/null";
    lock_file lock(path);
    lock.lock();
    CHECK(testing::run_program({shell, "-c", script}) != 0);
    lock.unlock();
    CHECK(testing::run_program({shell, "-c", script}) == 0);
    CHECK_FALSE(lock.try_lock());
    fs::remove(path);
    CHECK(lock.try_lock());
  }
}

TEST_CASE("names that can't be locked are refused with a code, and nothing is made") {
  testing::scratch_directory place;
  const auto in = [&](const std::string& name) { return fs::path(place.path().string() + "/" + name); };
  for (const fs::path& bad :
       {fs::path(), in(""), in("."), in(".."), in("a/"), in(std::string("a\0b", 3)), in(".x.guard")}) {
    INFO(bad);
    std::error_code ec;
    lock_file lock(bad);
    CHECK_FALSE(lock.try_lock(ec));
    CHECK(ec == errc::invalid_name);
    CHECK_THROWS_AS(lock.lock(), error);
  }
  std::error_code ec;
  lock_file too_long(in(std::string(256, 'n')));
  CHECK_FALSE(too_long.try_lock(ec));
  CHECK(ec == std::errc::filename_too_long);
  CHECK(place.names().empty());
}

TEST_CASE("every name that a file can have can be locked") {
  for (const std::string& name :
       {std::string(255, 'n'), std::string(254, 'n'), std::string(248, 'n'), std::string("-x"),
        std::string("a b\n'\"$`\\"), std::string("\xff\xfe"), std::string(".hidden")}) {
    INFO(name.size() << " " << name);
    testing::scratch_directory place;
    lock_file lock(place / name);
    REQUIRE(lock.try_lock());
    CHECK(fs::exists(place / name));
    lock.unlock();
    CHECK(place.names().size() == 1);
  }
}

TEST_CASE("two long names that differ at the end have different guards") {
  testing::scratch_directory place;
  lock_file a(place / (std::string(254, 'n') + "a"));
  lock_file b(place / (std::string(254, 'n') + "b"));
  CHECK(a.try_lock());
  CHECK(b.try_lock());
}

TEST_CASE("a directory or guard that may not be written is a clear error") {
  if (::geteuid() != 0) return;
  testing::scratch_directory place;
  ::chmod(place.path().c_str(), 0755);
  fs::create_directory(place / "closed");
  testing::write_file(place / ".theirs.guard", "");
  ::chmod((place / ".theirs.guard").c_str(), 0644);
  testing::child_process other([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 2;
    std::error_code ec;
    lock_file in_closed(place / "closed" / "l");
    const bool closed = !in_closed.try_lock(ec) && ec == std::errc::permission_denied;
    lock_file theirs(place / "theirs");
    const bool refused = !theirs.try_lock(ec) && ec == std::errc::permission_denied;
    return closed && refused ? 0 : 1;
  });
  CHECK(other.wait() == 0);
  CHECK_FALSE(fs::exists(place / "theirs"));
}

TEST_CASE("in a sticky directory another user's guard is used, and nothing is left that only they could remove") {
  if (::geteuid() != 0) return;
  testing::scratch_directory place;
  ::chmod(place.path().c_str(), 01777);
  lock_file mine(place / "l", {.mode = fs::perms(0666)});
  mine.lock();
  mine.unlock();
  REQUIRE(::chown((place / ".l.guard").c_str(), 1, 1) == 0);
  testing::child_process other([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 2;
    lock_file lock(place / "l", {.mode = fs::perms(0666)});
    lock.lock();
    const bool own_file = fs::hard_link_count(place / "l") == 1;
    lock.unlock();
    return own_file && !fs::exists(place / "l") ? 0 : 1;
  });
  CHECK(other.wait() == 0);
}

TEST_CASE("in a group's directory the guard is the group's, elsewhere the umask decides, and a mode is exact") {
  testing::scratch_directory place;
  const auto mode_of = [&](const char* name) { return fs::status(place / name).permissions(); };
  testing::child_process child([&] {
    ::umask(022);
    ::chmod(place.path().c_str(), 0755);
    (void)lock_file(place / "a").try_lock();
    (void)lock_file(place / "b", {.mode = fs::perms(0640)}).try_lock();
    ::chmod(place.path().c_str(), 02775);
    (void)lock_file(place / "c").try_lock();
    return 0;
  });
  REQUIRE(child.wait() == 0);
  CHECK(mode_of(".a.guard") == fs::perms(0644));
  CHECK(mode_of(".b.guard") == fs::perms(0640));
  CHECK(mode_of(".c.guard") == fs::perms(0664));
}

TEST_CASE("a filesystem that is not known to be local is refused, and used when the caller trusts it") {
  // proc refuses files altogether; fuse and the network kinds need a server. What stands for them: a kernel that
  // answers ENOLCK, and ramfs' unknown cousin hugetlbfs.
  testing::scratch_directory place;
  fs::create_directory(place / "huge");
  if (testing::run_program({"mount", "-t", "hugetlbfs", "none", (place / "huge").string()}) != 0) {
    WARN("skipped: mounting hugetlbfs is not permitted here");
    return;
  }
  std::error_code ec;
  lock_file lock(place / "huge" / "l");
  CHECK_FALSE(lock.try_lock(ec));
  CHECK(ec == errc::unsupported_filesystem);
  testing::run_program({"umount", (place / "huge").string()});
}
