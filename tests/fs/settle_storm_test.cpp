// Lost events, early events, no events, and very many of them.
#include <lockkit/settle.hpp>

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fs/settle_support.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"

using lockkit::deadline;
using lockkit::settle_options;
using lockkit::settle_result;
using lockkit::settle_state;
using lockkit::wait_until_settled;
using testing::news;
using testing::put_file;
using testing::quiet_for;
using testing::running_service;
using testing::write_file;
using kind = testing::news::kind;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;

namespace {

/// More events than any queue holds, since two that differ are not merged.
void flood(const fs::path& directory) {
  const testing::held_open one(directory / "one", O_CREAT | O_WRONLY);
  const testing::held_open two(directory / "two", O_CREAT | O_WRONLY);
  const int limit = std::stoi(testing::read_file("/proc/sys/fs/inotify/max_queued_events"));
  for (int i = 0; i < limit; ++i) {
    if (::write(one.fd(), "x", 1) != 1 || ::write(two.fd(), "x", 1) != 1) throw std::runtime_error("cannot write");
  }
}

}  // namespace

TEST_CASE("after lost events everything is looked at again: new, gone and changed directories, and no other is told") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "first/file");
  put_file(place / "still/file");
  put_file(place / "gone/file");
  put_file(place / "changed/deep/file");
  put_file(place / "noise/file");
  testing::signal_pipe reached;
  testing::signal_pipe go_on;
  bool was_there = false;
  settle_options options = quiet_for(10ms);
  options.complete = [&](const fs::path& path) {  // the reader of the events stands still here
    if (path.filename() == "barrier" && !std::exchange(was_there, true)) {
      reached.send();
      go_on.receive();
    }
    return true;
  };
  running_service service(place.path(), options);
  for (const char* name : {"first", "still", "gone", "changed", "noise"}) service.await(kind::settled, name);
  put_file(place / "barrier/file");
  reached.receive();
  flood(place / "noise");
  put_file(place / "new/file");
  put_file(place / "changed/deep/later/file");
  fs::remove_all(place / "gone");
  go_on.send();
  service.await(kind::settled, "new");
  service.await(kind::vanished, "gone");
  service.await(kind::settled, "changed");
  service.await(kind::settled, "noise");
  put_file(place / "changed/deep/later/second");  // the directory whose creation was lost is watched
  service.await(kind::settled, "changed");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled, "still") == 1);
  CHECK(service.count(kind::settled, "first") == 1);
}

TEST_CASE("a thousand directories at once are told once each") {
  testing::scratch_directory place(testing::memory_directory());
  constexpr int cases = 1000;
  const auto name = [](int i) { return "case" + std::to_string(i); };
  for (int i = 0; i < cases / 2; ++i) put_file(place / name(i) / "sub/file");
  running_service service(place.path(), quiet_for(100ms));
  for (int i = cases / 2; i < cases; ++i) {
    put_file(place / name(i) / "sub/file");
    put_file(place / name(i) / "x.part");
  }
  for (int i = 0; i < cases / 2; ++i) service.await(kind::settled, name(i));
  for (int i = cases / 2; i < cases; ++i) fs::rename(place / name(i) / "x.part", place / name(i) / "x");
  for (int i = cases / 2; i < cases; ++i) service.await(kind::settled, name(i));
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled) == cases);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("events inside a directory that come before the event of its creation lead to one report") {
  testing::scratch_directory place(testing::memory_directory());
  fs::create_directory(place / "parent");
  testing::signal_pipe reached;
  testing::signal_pipe go_on;
  // The listing of the parent meets a directory whose event has not been read yet.
  fault::arm({.what = fault::action::stop,
              .name = "getdents64",
              .announce_fd = reached.write_end(),
              .resume_fd = go_on.read_end()});
  running_service service(place / "parent", quiet_for(10ms));
  reached.receive();
  put_file(place / "parent/case/sub/file");
  go_on.send();
  service.await(kind::settled, "case");
  put_file(place / "parent/other/file");
  service.await(kind::settled, "other");
  fault::disarm();
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled, "case") == 1);
}

TEST_CASE("a directory moved in whole that the listing meets before its event needs no quiet time either") {
  testing::scratch_directory place(testing::memory_directory());
  fs::create_directory(place / "parent");
  put_file(place / "case/file");
  testing::signal_pipe reached;
  testing::signal_pipe go_on;
  fault::arm({.what = fault::action::stop,
              .name = "getdents64",
              .announce_fd = reached.write_end(),
              .resume_fd = go_on.read_end()});
  running_service service(place / "parent", quiet_for(testing::very_quiet));
  reached.receive();
  fs::rename(place / "case", place / "parent/case");
  go_on.send();
  service.await(kind::settled, "case");
  fault::disarm();
  CHECK_FALSE(service.stop());
}

TEST_CASE("a directory made between the listing of its parent and the look at it is found and watched") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/file");
  testing::signal_pipe reached;
  testing::signal_pipe go_on;
  fault::arm({.what = fault::action::stop,
              .name = "getdents64",
              .nth = 2,  // the end of the first listing has been read
              .announce_fd = reached.write_end(),
              .resume_fd = go_on.read_end()});
  std::jthread maker([&] {
    reached.receive();
    put_file(place / "case/sub/deeper/x.part");
    go_on.send();
  });
  const settle_result early = wait_until_settled(place / "case", quiet_for(10ms), deadline::after(500ms));
  fault::disarm();
  CHECK(early.where == place / "case/sub/deeper/x.part");
}

namespace {

/// One whole life of a case without any event.
void live_without_events(const fs::path& parent) {
  running_service service(parent, quiet_for(10ms));
  put_file(parent / "case/sub/file");
  const news first = service.await(kind::settled, "case");
  CHECK_FALSE(first.result.events_seen);
  CHECK(first.result.writers_seen);
  write_file(parent / "case/sub/file", "more content");
  service.await(kind::settled, "case");
  put_file(parent / "case/sub/x.part");
  CHECK(service.await(kind::waiting, "case").result.where == parent / "case/sub/x.part");
  fs::remove_all(parent / "case");
  service.await(kind::vanished, "case");
  CHECK_FALSE(service.stop());
}

}  // namespace

TEST_CASE("without events, what a mapping stores last is followed by a whole quiet time") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/file");
  testing::writing_process writer(place / "case/file", testing::writing_process::by::mapping);
  fault::arm({.what = fault::action::fail, .name = "inotify_init1", .error = EMFILE});
  running_service service(place.path(), quiet_for(10ms));
  CHECK(service.await(kind::waiting, "case").result.where == place / "case/file");
  writer.release();  // it stores and ends; the time of the file may not change by that
  fault::start_recording();
  service.await(kind::settled, "case");
  const std::vector<std::string> calls = fault::stop_recording();
  CHECK(std::ranges::count(calls, "fstatfs") >= 2);  // one for each look
  CHECK_FALSE(service.stop());
  fault::disarm();
}

TEST_CASE("where no instance or no watch of inotify is left, changes are found by looking, and that is said") {
  testing::scratch_directory place(testing::memory_directory());
  for (const auto& [name, error] : {std::pair{"inotify_init1", EMFILE}, std::pair{"inotify_add_watch", ENOSPC}}) {
    fault::arm({.what = fault::action::fail, .name = name, .times = 1'000'000, .error = error});
    live_without_events(place.path());
    put_file(place / "case/file");
    const settle_result one = wait_until_settled(place / "case", quiet_for(10ms), deadline::never());
    fault::disarm();
    CHECK(one.state == settle_state::settled);
    CHECK_FALSE(one.events_seen);
    fs::remove_all(place / "case");
  }
}

TEST_CASE("events that are lost time and again hold nothing back for ever, neither what is there nor what is new") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "early/file");
  fault::arm({.what = fault::action::fail, .name = "ioctl", .times = 1'000'000'000, .error = EIO});  // each reading
  running_service service(place.path(), quiet_for(10ms));
  service.await(kind::settled, "early");
  put_file(place / "late/sub/file");
  service.await(kind::settled, "late");
  CHECK(wait_until_settled(place / "early", quiet_for(10ms), deadline::never()).state == settle_state::settled);
  CHECK_FALSE(service.stop());
  fault::disarm();
  CHECK(service.count(kind::settled, "early") == 1);
}

TEST_CASE("without a descriptor to be woken by, a stop is noticed all the same") {
  testing::scratch_directory place;
  fault::arm({.what = fault::action::fail, .name = "eventfd2", .times = 1'000'000, .error = EMFILE});
  running_service service(place.path(), quiet_for(testing::very_quiet));
  put_file(place / "case/file");
  CHECK_FALSE(service.stop());
  fault::disarm();
}
#endif

TEST_CASE("on a filesystem that is not known to be local, changes are found by looking, and that is said") {
  testing::scratch_directory place;
  fs::create_directory(place / "huge");
  if (testing::run_program({"mount", "-t", "hugetlbfs", "none", (place / "huge").string()}) != 0) {
    WARN("skipped: mounting hugetlbfs is not permitted here");
    return;
  }
  put_file(place / "huge/case/sub/file", "");
  settle_result result;
  {
    running_service service(place / "huge", quiet_for(10ms));
    result = service.await(kind::settled, "case").result;
    put_file(place / "huge/case/sub/second", "");
    service.await(kind::settled, "case");
  }
  testing::run_program({"umount", (place / "huge").string()});
  CHECK_FALSE(result.events_seen);
  CHECK_FALSE(result.writers_seen);
}
