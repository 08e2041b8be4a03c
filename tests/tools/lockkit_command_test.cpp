/// The lockkit command as scripts meet it: the real program, run by real shells.
#include <signal.h>
#include <unistd.h>

#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using testing::capture_program;
using testing::run_program;
namespace fs = std::filesystem;

namespace {

const std::string command = LOCKKIT_COMMAND;

int lockkit_run(const fs::path& lock, std::vector<std::string> rest) {
  std::vector<std::string> arguments = {command, "run", lock.string()};
  arguments.insert(arguments.end(), rest.begin(), rest.end());
  return run_program(arguments);
}

}  // namespace

TEST_CASE("run holds the lock while the command runs and passes its exit code on") {
  testing::scratch_directory place;
  const auto script = "test -e '" + (place / "l").string() + "' || exit 1; exit 7";
  CHECK(lockkit_run(place / "l", {"--", "sh", "-c", script}) == 7);
  CHECK_FALSE(fs::exists(place / "l"));
}

TEST_CASE("run reports 128 + n for a command that a signal ended, 127 and 126 for one that can't be executed") {
  testing::scratch_directory place;
  CHECK(lockkit_run(place / "l", {"--", "sh", "-c", "kill -9 $$"}) == 128 + 9);
  CHECK(lockkit_run(place / "l", {"--", "no-such-command"}) == 127);
  CHECK(lockkit_run(place / "l", {"--", place.path().string()}) == 126);
  CHECK_FALSE(fs::exists(place / "l"));
}

TEST_CASE("run gives 75 when the lock is not had in time, and does not run the command") {
  testing::scratch_directory place;
  lockkit::lock_file holder(place / "l");
  holder.lock();
  CHECK(lockkit_run(place / "l", {"--try", "--", "touch", (place / "ran").string()}) == 75);
  CHECK(lockkit_run(place / "l", {"--timeout", "0.1", "--", "touch", (place / "ran").string()}) == 75);
  CHECK(lockkit_run(place / "l", {"--timeout", "0", "--", "touch", (place / "ran").string()}) == 75);
  CHECK_FALSE(fs::exists(place / "ran"));
}

TEST_CASE("everything after the first dashes is the command's") {
  testing::scratch_directory place;
  const auto printed = capture_program({command, "run", (place / "l").string(), "--", "echo", "--try", "--", "-x"});
  CHECK(printed.text == "--try -- -x\n");
}

TEST_CASE("a lock path may begin with a dash") {
  testing::scratch_directory place;
  const auto script = "cd '" + place.path().string() + "' && '" + command + "' run -- -l -- test -e ./-l";
  CHECK(run_program({"sh", "-c", script}) == 0);
}

TEST_CASE("wrong usage is 64 and touches nothing") {
  testing::scratch_directory place;
  CHECK(lockkit_run(place / "l", {}) == 64);
  CHECK(lockkit_run(place / "l", {"--timeout", "soon", "--", "true"}) == 64);
  CHECK(lockkit_run(place / "l", {"--timeout", "-1", "--", "true"}) == 64);
  CHECK(lockkit_run(place / "l", {"--try", "--timeout", "1", "--", "true"}) == 64);
  CHECK(lockkit_run("", {"--", "true"}) == 64);
  CHECK(lockkit_run(place.path() / "..", {"--", "true"}) == 64);
  CHECK(run_program({command}) == 64);
  CHECK(run_program({command, "status"}) == 64);
  CHECK(place.names().empty());
}

TEST_CASE("a missing directory is 73, with a message that names the path") {
  testing::scratch_directory place;
  CHECK(lockkit_run(place / "no" / "l", {"--", "true"}) == 73);
}

TEST_CASE("the command inherits no descriptor of ours") {
  testing::scratch_directory place;
  const auto printed = capture_program({command, "run", (place / "l").string(), "--", "ls", "-l", "/proc/self/fd"});
  CHECK(printed.text.find(place.path().string()) == std::string::npos);
}

TEST_CASE("a signal sent to run reaches the command, and the lock is released") {
  testing::scratch_directory place;
  const auto script = "trap 'exit 5' TERM; touch '" + (place / "started").string() + "'; while :; do sleep 0.01; done";
  testing::child_process child([&] { return lockkit_run(place / "l", {"--", "sh", "-c", script}); });
  while (!fs::exists(place / "started")) {
  }
  // The child above is ours and waits for lockkit; the signal goes to lockkit itself, found by its lock.
  const auto holder = capture_program({"sh", "-c", "read p < '" + (place / "l").string() + "'; kill -TERM $p"});
  CHECK(holder.status == 0);
  CHECK(child.wait() == 5);
  CHECK_FALSE(fs::exists(place / "l"));
}

TEST_CASE("run works with an ignored SIGCHLD, leaves ignored signals ignored, and with closed streams harms no lock") {
  testing::scratch_directory place;
  testing::child_process child([&] {
    ::signal(SIGCHLD, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    const auto script = "kill -HUP $PPID; kill -HUP $$; exit 4";
    ::execl(command.c_str(), "lockkit", "run", (place / "l").c_str(), "--", "sh", "-c", script, nullptr);
    return 99;
  });
  CHECK(child.wait() == 4);
  lockkit::lock_file holder(place / "l");
  holder.lock();
  const auto script = "'" + command + "' run '" + (place / "l").string() + "' --timeout 0.1 -- true <&- >&- 2>&-";
  CHECK(run_program({"sh", "-c", script}) == 75);
  CHECK(testing::read_file(place / "l").find("lockkit/1") != std::string::npos);
}

TEST_CASE("status says free, held and foreign, and whose lock it is") {
  testing::scratch_directory place;
  const auto status = [&] { return capture_program({command, "status", (place / "l").string()}).text; };
  CHECK(status().find(": free") != std::string::npos);
  {
    lockkit::lock_file holder(place / "l", {.label = "tester"});
    holder.lock();
    CHECK(status().find(": held") != std::string::npos);
    CHECK(status().find("tester") != std::string::npos);
  }
  testing::write_file(place / "l", "4711\n");
  CHECK(status().find(": foreign") != std::string::npos);
  CHECK(status().find("pid 4711") != std::string::npos);
}
