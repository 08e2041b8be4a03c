// Waiting for one directory.
#include <lockkit/settle.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "fs/settle_names.hpp"
#include "fs/settle_support.hpp"
#include "support/catch.hpp"

using lockkit::deadline;
using lockkit::settle_options;
using lockkit::settle_result;
using lockkit::settle_state;
using lockkit::wait_until_settled;
using testing::put_file;
using testing::quiet;
using testing::quiet_for;
using testing::write_file;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

TEST_CASE("a directory at rest settles, and not before the quiet time has passed") {
  testing::scratch_directory place;
  put_file(place / "case/a/b/file");
  put_file(place / "case/other");
  const auto began = steady::now();
  const settle_result result = wait_until_settled(place / "case", quiet_for(quiet), deadline::never());
  CHECK(steady::now() - began >= quiet);
  CHECK(result.state == settle_state::settled);
  CHECK(result.reason.empty());
  CHECK(result.writers_seen);
  CHECK(result.events_seen);
}

TEST_CASE("with a deadline that has passed the wait looks once and tells what stands in the way, and where") {
  testing::scratch_directory place;
  const auto ask = [&](const settle_options& options = {}) {
    return wait_until_settled(place / "case", options, deadline());
  };
  put_file(place / "case/deep/file");
  CHECK(ask().state == settle_state::unsettled);
  CHECK(ask().where == place / "case");
  {
    const testing::held_open writer(place / "case/deep/file", O_WRONLY);
    CHECK(ask().where == place / "case/deep/file");
    CHECK(ask().reason == "a process has it open for writing");
    put_file(place / "case/deep/z.part");
    CHECK(ask().where == place / "case/deep/z.part");
    CHECK(ask().reason == "its name says that it is not finished");
  }
  fs::remove_all(place / "case");
  CHECK(ask().state == settle_state::vanished);
}

TEST_CASE("too few files hold a directory back, and none has to be asked for") {
  testing::scratch_directory place;
  fs::create_directory(place / "case");
  settle_options options = quiet_for(5ms);
  const settle_result empty = wait_until_settled(place / "case", options, deadline::after(100ms));
  CHECK(empty.state == settle_state::unsettled);
  CHECK(empty.reason == "it holds 0 of at least 1 files");
  options.minimum_files = 0;
  CHECK(wait_until_settled(place / "case", options, deadline::never()).state == settle_state::settled);
}

namespace {

/// What another thread did, and when: no later than `began` it had not begun, at `ended` it was done.
struct action {
  steady::time_point began;
  steady::time_point ended;
};

/// Whether there was a moment before `returned` with `quiet` behind it in which nothing had been done. The last such
/// moment is the end, if nothing was done for long enough before it; else a gap that a slow machine made.
bool was_ever_quiet(const std::vector<action>& actions, steady::time_point returned) {
  if (returned - actions.back().began >= quiet) return true;
  for (std::size_t i = 1; i < actions.size(); ++i) {
    if (actions[i].ended - actions[i - 1].began >= quiet) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("activity anywhere inside starts the clock again") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/first");
  std::vector<action> actions;
  std::jthread copier([&] {
    for (int i = 0; i < 20; ++i) {
      action done{.began = steady::now(), .ended = {}};
      put_file(place / "case/a/b" / std::to_string(i % 4) / std::to_string(i));
      done.ended = steady::now();
      actions.push_back(done);
      std::this_thread::sleep_for(quiet / 4);
    }
  });
  const settle_result result = wait_until_settled(place / "case", quiet_for(quiet), deadline::never());
  const auto returned = steady::now();
  copier.join();
  CHECK(result.state == settle_state::settled);
  CHECK(was_ever_quiet(actions, returned));
}

TEST_CASE("a wait that runs out while somebody works tells where the last activity was") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/a/file", "");
  std::atomic<bool> enough = false;
  std::jthread worker([&] {
    for (int i = 0; !enough; ++i) {
      fs::resize_file(place / "case/a/file", static_cast<std::uintmax_t>(i % 7));
      std::this_thread::sleep_for(1ms);
    }
  });
  const settle_result result = wait_until_settled(place / "case", quiet_for(10s), deadline::after(quiet));
  enough = true;
  CHECK(result.state == settle_state::unsettled);
  CHECK(result.reason == "it is still changing");
  CHECK(result.where == place / "case/a/file");
}

TEST_CASE("a directory that vanishes, at the start or while it settles, is reported as vanished") {
  testing::scratch_directory place;
  CHECK(wait_until_settled(place / "never", {}, deadline::never()).state == settle_state::vanished);
  for (const bool moved : {false, true}) {
    put_file(place / "case/sub/x.part");
    settle_options options = quiet_for(5ms);
    std::jthread remover([&] {
      std::this_thread::sleep_for(20ms);
      moved ? fs::rename(place / "case", place / "elsewhere") : void(fs::remove_all(place / "case"));
    });
    const settle_result result = wait_until_settled(place / "case", options, deadline::never());
    CHECK(result.state == settle_state::vanished);
    CHECK(result.where == place / "case");
  }
}

TEST_CASE("a stop ends the wait, whether it comes before or during it") {
  testing::scratch_directory place;
  put_file(place / "case/x.part");
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(20ms);
    source.request_stop();
  });
  for (int i = 0; i < 2; ++i) {
    const settle_result result =
        wait_until_settled(place / "case", quiet_for(testing::very_quiet), deadline::never(), source.get_token());
    CHECK(result.state == settle_state::unsettled);
    CHECK(result.reason.starts_with("the wait was stopped"));
  }
}

TEST_CASE("the caller's own test is asked last, again after each change, and may throw") {
  testing::scratch_directory place;
  put_file(place / "case/x.part");
  settle_options options = quiet_for(quiet);
  std::atomic<int> asked = 0;
  options.complete = [&](const fs::path& directory) {
    CHECK(directory == place / "case");
    CHECK_FALSE(fs::exists(place / "case/x.part"));
    if (++asked == 1) return put_file(place / "case/DONE"), false;  // no interval of re-asking is as short as an event
    return fs::exists(place / "case/DONE");
  };
  CHECK(wait_until_settled(place / "case", options, deadline::after(3 * quiet)).state == settle_state::unsettled);
  CHECK(asked == 0);
  fs::rename(place / "case/x.part", place / "case/x");
  CHECK(wait_until_settled(place / "case", options, deadline::never()).state == settle_state::settled);
  CHECK(asked == 2);
  options.complete = [](const fs::path&) -> bool { throw std::runtime_error("mine"); };
  CHECK_THROWS_WITH(wait_until_settled(place / "case", options, deadline::never()), "mine");
}

TEST_CASE("the caller's own test is asked again although nothing happens inside") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  settle_options options = quiet_for(2ms);
  int asked = 0;
  options.complete = [&](const fs::path&) { return ++asked == 4; };
  CHECK(wait_until_settled(place / "case", options, deadline::never()).state == settle_state::settled);
  CHECK(asked == 4);
}

TEST_CASE("what changes while the caller's own test is running starts the clock again") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  settle_options options = quiet_for(10ms);
  int asked = 0;
  options.complete = [&](const fs::path&) {
    if (++asked == 1) write_file(place / "case/late", "late");
    return true;
  };
  CHECK(wait_until_settled(place / "case", options, deadline::never()).state == settle_state::settled);
  CHECK(asked == 2);
}

TEST_CASE("symbolic links inside are not followed, and a loop of them does no harm") {
  testing::scratch_directory place;
  put_file(place / "outside/x.part");
  put_file(place / "case/file");
  fs::create_directory_symlink(place / "outside", place / "case/outside");
  fs::create_directory_symlink(place / "case", place / "case/loop");
  fs::create_directory_symlink(place / "case", place / "link");
  CHECK(wait_until_settled(place / "case", quiet_for(5ms), deadline::never()).state == settle_state::settled);
  CHECK(wait_until_settled(place / "link", quiet_for(5ms), deadline::never()).state == settle_state::settled);
}

TEST_CASE("FIFOs and sockets inside are neither opened nor counted as files") {
  testing::scratch_directory place;
  fs::create_directory(place / "case");
  REQUIRE(::mkfifo((place / "case/fifo").c_str(), 0600) == 0);
  const settle_result result = wait_until_settled(place / "case", quiet_for(5ms), deadline::after(100ms));
  CHECK(result.reason == "it holds 0 of at least 1 files");
  put_file(place / "case/file");
  CHECK(wait_until_settled(place / "case", quiet_for(5ms), deadline::never()).state == settle_state::settled);
}

TEST_CASE("a file, a name that can't be and an unreadable directory are errors") {
  testing::scratch_directory place;
  put_file(place / "file");
  std::error_code ec;
  (void)wait_until_settled(place / "file", {}, deadline::never(), {}, ec);
  CHECK(ec == std::errc::not_a_directory);
  (void)wait_until_settled("", {}, deadline::never(), {}, ec);
  CHECK(ec == lockkit::errc::invalid_name);
  CHECK_THROWS_AS(wait_until_settled(place / "file", {}, deadline::never()), lockkit::error);
  put_file(place / "case/closed/file");
  fs::permissions(place / "case/closed", fs::perms::none);
  fs::permissions(place.path(), fs::perms(0755));
  testing::child_process nobody([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    const settle_result result = wait_until_settled(place / "case", {}, deadline::never(), {}, ec);
    return ec == std::errc::permission_denied && result.where == place / "case/closed" ? 0 : 2;
  });
  CHECK(nobody.wait() == 0);
}

TEST_CASE("a name says whether a file is finished") {
  const settle_options options;
  const auto unfinished = [&](const std::string& name) { return lockkit::detail::is_in_progress(name, options); };
  for (const char* name : {"a.part", ".hidden.part", "b.crdownload", "c.filepart", "d.tmp", ".data.bin.x7Gh2K",
                           ".a.abcdefghijklmnopqrstuvwxya.lkt", ".dir.abcdefghijklmnopqrstuvwxya.lkd"}) {
    INFO(name);
    CHECK(unfinished(name));
  }
  for (const char* name : {"a", "part", "a.parts", ".data.sha256", ".x.backup", ".y.SQLITE", ".x7Gh2K", "a.x7Gh2K",
                           ".a.x7Gh2", ".a.x7Gh2KK", ".a.x7_h2K", "a.lkt", ".profile"}) {
    INFO(name);
    CHECK_FALSE(unfinished(name));
  }
  settle_options bare;
  bare.in_progress.clear();
  bare.rsync_names = false;
  CHECK_FALSE(lockkit::detail::is_in_progress(".data.bin.x7Gh2K", bare));
  CHECK_FALSE(lockkit::detail::is_in_progress("a.part", bare));
}

TEST_CASE("a file under a temporary name of rsync holds the directory back until it is renamed") {
  testing::scratch_directory place;
  put_file(place / "case/one");
  put_file(place / "case/sub/.two.Ab3dEf");
  const settle_result early = wait_until_settled(place / "case", quiet_for(5ms), deadline::after(50ms));
  CHECK(early.where == place / "case/sub/.two.Ab3dEf");
  fs::rename(place / "case/sub/.two.Ab3dEf", place / "case/sub/two");
  CHECK(wait_until_settled(place / "case", quiet_for(5ms), deadline::never()).state == settle_state::settled);
}

TEST_CASE("guards of locks inside are not activity, and neither is reading") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/file");
  put_file(place / "case/.x.guard");
  std::atomic<bool> enough = false;
  std::jthread locker([&] {
    while (!enough) {
      write_file(place / "case/.x.guard", "record");
      write_file(place / "case/.x.guard.17.0.tmp", "plant");
      fs::remove(place / "case/.x.guard.17.0.tmp");
      (void)testing::read_file(place / "case/file");
      (void)std::distance(fs::directory_iterator(place / "case"), fs::directory_iterator());
      std::this_thread::sleep_for(1ms);
    }
  });
  const settle_result result = wait_until_settled(place / "case", quiet_for(quiet), deadline::after(60s));
  enough = true;
  CHECK(result.state == settle_state::settled);
}

TEST_CASE("a tree deeper than any path can name settles, and activity at its end is seen and named") {
  testing::scratch_directory place(testing::memory_directory());
  const std::string name(100, 'd');
  fs::create_directory(place / "case");
  fs::path where = place / "case";
  int at = ::open(where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int depth = 0; depth < 120; ++depth) {
    REQUIRE(::mkdirat(at, name.c_str(), 0700) == 0);
    const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = below;
    where /= name;
  }
  const int file = ::openat(at, "x.part", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const settle_result early = wait_until_settled(place / "case", quiet_for(5ms), deadline::after(50ms));
  CHECK(early.where == where / "x.part");
  std::jthread finisher([&] {
    std::this_thread::sleep_for(20ms);
    ::close(file);
    ::renameat(at, "x.part", at, "x");
  });
  // only an event wakes a wait as long as that
  std::atomic<int> asked = 0;
  settle_options options = quiet_for(quiet);
  options.complete = [&](const fs::path&) { return ++asked > 0; };
  CHECK(wait_until_settled(place / "case", options, deadline::never()).state == settle_state::settled);
  finisher.join();
  ::close(at);
  testing::run_program({"rm", "-rf", (place / "case").string()});
}
