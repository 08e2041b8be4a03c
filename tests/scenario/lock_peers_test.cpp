/// Other programs' ideas of "stale", met by lock files that look old, empty or stopped. Rows 3, 5, 6, 8, 16, 29.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::lock_file;
using lockkit::detail::plant_method;
namespace fs = std::filesystem;

namespace {

void make_old(const fs::path& file) {
  fs::last_write_time(file, fs::file_time_type::clock::now() - 24h);
}

bool soft_file_lock_gets(const fs::path& path) {
  const std::string script =
      "import filelock, sys\n"
      "try: filelock.SoftFileLock(sys.argv[1]).acquire(timeout=0.3)\n"
      "except filelock.Timeout: sys.exit(1)\n";
  return run_program({"/usr/bin/python3", "-c", script, path.string()}) == 0;
}

bool has_soft_file_lock() {
  return run_program({"/usr/bin/python3", "-c", "import filelock"}) == 0;
}

}  // namespace

TEST_CASE("a live shell's lock file is respected however old and empty it is") {
  scratch_directory place;
  const std::string script = "set -C; : > '" + (place / "l").string() + "'; kill -STOP $$";
  for (const char* shell : {"bash", "dash"}) {
    child_process holder([&] { return ::execlp(shell, shell, "-c", script.c_str(), nullptr); });
    while (!fs::exists(place / "l")) std::this_thread::yield();
    make_old(place / "l");
    lock_file lock(place / "l");
    CHECK_FALSE(lock.try_lock_for(100ms));
    CHECK(fs::file_size(place / "l") == 0);
    holder.kill();
    fs::remove(place / "l");
  }
}

TEST_CASE("a stopped holder keeps its lock however old its file is, against lockkit and SoftFileLock") {
  for (const plant_method method : {plant_method::automatic, plant_method::own_file, plant_method::exclusive}) {
    scratch_directory place;
    signal_pipe locked;
    signal_pipe end;
    child_process holder([&] {
      lock_file lock(place / "l");
      lockkit::detail::lock_file_internals::use_plant(lock, method);
      lock.lock();
      locked.send();
      end.receive();
      lock.unlock();
      return lock.lost() ? 1 : 0;
    });
    locked.receive();
    holder.signal(SIGSTOP);
    make_old(place / "l");
    lock_file other(place / "l");
    CHECK_FALSE(other.try_lock_for(100ms));
    if (has_soft_file_lock()) CHECK_FALSE(soft_file_lock_gets(place / "l"));
    holder.signal(SIGCONT);
    end.send();
    CHECK(holder.wait() == 0);
  }
}

TEST_CASE("dotlockfile breaks what looks five minutes old, and lockkit's processes stay excluded and are told") {
  if (!has_program("dotlockfile")) {
    WARN("skipped: dotlockfile (package liblockfile-bin) is not installed");
    return;
  }
  scratch_directory place;
  lock_file holder(place / "l");
  holder.lock();
  CHECK(run_program({"dotlockfile", "-l", "-r", "0", (place / "l").string()}) != 0);
  make_old(place / "l");
  CHECK(run_program({"dotlockfile", "-l", "-r", "0", (place / "l").string()}) == 0);
  child_process other([&] { return lock_file(place / "l").try_lock() ? 1 : 0; });
  CHECK(other.wait() == 0);
  CHECK(holder.verify() == lockkit::verify_result::lost);
  holder.unlock();
  CHECK(holder.lost());
  CHECK(fs::exists(place / "l"));
  CHECK_FALSE(lock_file(place / "l").try_lock());  // it is dotlockfile's now
}

// But for its time: a wait maps the word, and the kernel's futex code takes that for a write.
TEST_CASE("those who wait or try leave the holder's file as it is") {
  scratch_directory place;
  lock_file holder(place / "l");
  holder.lock();
  const std::string content = read_file(place / "l");
  struct stat before{};
  REQUIRE(::stat((place / "l").c_str(), &before) == 0);
  for (int i = 0; i < 3; ++i) {
    child_process other([&] { return lock_file(place / "l").try_lock_for(20ms) ? 1 : 0; });
    CHECK(other.wait() == 0);
  }
  struct stat after{};
  REQUIRE(::stat((place / "l").c_str(), &after) == 0);
  CHECK(read_file(place / "l") == content);
  CHECK(after.st_mode == before.st_mode);
  CHECK(after.st_ino == before.st_ino);
}

TEST_CASE("a successor's file survives the release of a holder whose file was removed, also with a reused inode") {
  for (const plant_method method : {plant_method::automatic, plant_method::own_file, plant_method::exclusive}) {
    scratch_directory place;
    for (int round = 0; round < 50; ++round) {
      lock_file holder(place / "l");
      lockkit::detail::lock_file_internals::use_plant(holder, method);
      holder.lock();
      fs::remove(place / "l");
      write_file(place / "l", "4711\n");
      holder.unlock();
      REQUIRE(holder.lost());
      REQUIRE(read_file(place / "l") == "4711\n");
      fs::remove(place / "l");
    }
  }
}
