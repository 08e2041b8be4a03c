/// What a gate says when its writers were killed before they had synced, and what else stands at its path.
///
/// Seen to fail: with two slots that say a token believed unseen (on ext4, xfs and btrfs the token was forgotten); with
/// highest() taken from the better slot; with the file's mode left to the umask; with an inherited admission ending the
/// child's own; with a FIFO opened.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/fence_gate.hpp>
#include <lockkit/file_mutex.hpp>

#include "fs/fence_support.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;
using testing::is_admitted;
using testing::token;

namespace {

unsigned mode_of(const fs::path& path) {
  struct stat found{};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a child's own admission is not ended by the one that it inherited") {
  testing::scratch_directory place;
  fence_gate gate(place / "g");
  auto admitted = gate.admit(token(5));
  testing::signal_pipe over;
  testing::child_process child([&] {
    over.receive();
    const auto mine = gate.admit(token(6));
    admitted.reset();
    std::error_code ec;
    return mine && !fence_gate(place / "g").admit(token(7), deadline(), ec) && ec == errc::timed_out ? 0 : 1;
  });
  admitted.reset();
  over.send();
  CHECK(child.wait() == 0);
}

TEST_CASE("a gate's file has the mode that a mutex's has, in a group's directory too") {
  testing::scratch_directory place;
  fs::create_directory(place / "group");
  REQUIRE(::chmod((place / "group").c_str(), 02775) == 0);
  const auto before = ::umask(022);
  const bool admitted = is_admitted(place / "g", 1) && is_admitted(place / "group/g", 1);
  fence_gate named(place / "n", {.mode = fs::perms(0606)});
  const bool also = named.admit(token(1)).has_value();
  ::umask(before);
  REQUIRE((admitted && also));
  CHECK(mode_of(place / "g") == 0644);
  CHECK(mode_of(place / "group/g") == 0664);
  CHECK(mode_of(place / "n") == 0606);
}

TEST_CASE("only a regular file is looked into for the highest token") {
  testing::scratch_directory place;
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0666) == 0);
  fs::create_directory(place / "directory");
  fs::create_symlink("nowhere", place / "link");
  for (const char* name : {"fifo", "directory", "link"}) {
    INFO(name);
    std::error_code ec;
    CHECK(fence_gate(place / name).highest(ec) == token(0));
    CHECK(ec == errc::not_a_lock_file);
  }
#if defined(LOCKKIT_FAULT_INJECTION)
  fault::start_recording();
  std::error_code ec;
  (void)fence_gate(place / "fifo").highest(ec);
  CHECK(std::ranges::count(fault::stop_recording(), "openat") == 0);  // which would let the FIFO's writer go on
#endif
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace {

void is_killed_before_its_sync(const fs::path& path, std::uint64_t value) {
  testing::child_process child([&] {
    fault::arm({.what = fault::action::die, .name = "fence_gate.written"});
    return is_admitted(path, value) ? 0 : 1;
  });
  REQUIRE(child.wait() == 128 + SIGKILL);
}

std::ptrdiff_t syncs_of(fence_gate& gate, std::uint64_t value) {
  fault::start_recording();
  const bool admitted = gate.admit(token(value)).has_value();
  const auto calls = fault::stop_recording();
  REQUIRE(admitted);
  return std::ranges::count(calls, "fsync");
}

/// What such a gate says after a power cut right behind these steps. Nothing where no such filesystem can be had.
std::optional<fencing_token> after_power_cut(const std::function<void(const fs::path&)>& steps) {
  testing::scratch_directory place;
  fs::create_directory(place / "after");
  {
    const testing::scratch_mount mount("ext4");
    if (!mount.mounted()) return {};
    steps(mount.path() / "g");
    REQUIRE(testing::run_program({"cp", "--sparse=always", mount.image().string(), (place / "cut").string()}) == 0);
  }
  const auto where = (place / "after").string();
  REQUIRE(testing::run_program({"mount", "-o", "loop", (place / "cut").string(), where}) == 0);
  const fencing_token highest = fence_gate(place / "after/g").highest();
  testing::run_program({"umount", where});
  return highest;
}

}  // namespace

TEST_CASE("a token that two killed processes had written, one slot each, is synced before it is admitted") {
  testing::scratch_directory place;
  REQUIRE(is_admitted(place / "g", 5));
  is_killed_before_its_sync(place / "g", 7);
  CHECK(fence_gate(place / "g").highest() == token(5));  // 7 could be forgotten, and 6 be admitted
  CHECK_FALSE(is_admitted(place / "g", 6));
  is_killed_before_its_sync(place / "g", 7);
  fence_gate gate(place / "g");
  CHECK(syncs_of(gate, 7) == 1);
  CHECK(syncs_of(gate, 7) == 0);
  CHECK(syncs_of(gate, 8) == 2);
  fence_gate other(place / "g");
  CHECK(syncs_of(other, 9) == 3);
  CHECK(syncs_of(gate, 9) == 1);
}

TEST_CASE("a token admitted after two killed processes is remembered after a power cut") {
  const auto highest = after_power_cut([](const fs::path& path) {
    REQUIRE(is_admitted(path, 5));
    is_killed_before_its_sync(path, 7);
    is_killed_before_its_sync(path, 7);
    REQUIRE(is_admitted(path, 7));
  });
  if (!highest) WARN("skipped: cannot make and mount ext4 here");
  CHECK(highest.value_or(token(7)) == token(7));
}

#endif
