/// kill -9 between any two steps: the next update or sync goes on from there.
/// Seen to fail: with the branch moved before its files without a note, without the origins of rebuilt commits.
#include <signal.h>
#include <sys/stat.h>

#include <random>
#include <sstream>

#include "examples/status_board/board_site.hpp"
#include "scenario/long_runs.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// A `git` before the real one in PATH: kills its caller after the n-th call, when that call has done its work.
class deadly_git {
 public:
  explicit deadly_git(const board_site& site) : site_(site) {
    const fs::path program = site.directory() / "bin" / "git";
    fs::create_directories(program.parent_path());
    write_file(program,
               "#!/bin/sh\nread -r n < \"$CALLS\"\nn=$((n + 1))\necho $n > \"$CALLS\"\n/usr/bin/git \"$@\"\nstatus=$?\n"
               "[ $n = \"$DEADLY\" ] && kill -9 $PPID\nexit $status\n");
    REQUIRE(::chmod(program.c_str(), 0755) == 0);
  }
  /// True: it was killed; false: it ended before that.
  bool run(const std::vector<std::string>& arguments, int deadly_call) const {
    write_file(site_.directory() / "calls", "0\n");
    const tool_result result = site_.run(
        arguments, {"PATH=" + (site_.directory() / "bin").string() + ":/usr/bin:/bin",
                    "CALLS=" + (site_.directory() / "calls").string(), "DEADLY=" + std::to_string(deadly_call)});
    if (result.status != 128 + SIGKILL && result.status != 0)
      FAIL("exit status " << result.status << ": " << result.err);
    return result.status != 0;
  }

 private:
  const board_site& site_;
};

/// Straight into the remote, as another project's job does.
void push_foreign(const board_site& site, int number) {
  const auto in_remote = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {"env",
                                        "HOME=" + (site.directory() / "home").string(),
                                        "GIT_INDEX_FILE=" + (site.directory() / "foreign-index").string(),
                                        "git",
                                        "-C",
                                        site.remote().string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const program_output output = capture_program(command);
    REQUIRE(output.status == 0);
    return output.text.substr(0, output.text.find('\n'));
  };
  const std::string blob = in_remote({"hash-object", "-w", "/dev/null"});
  in_remote({"read-tree", "main"});
  in_remote({"update-index", "--add", "--cacheinfo", "100644," + blob + ",foreign/" + std::to_string(number)});
  const std::string commit = in_remote({"commit-tree", in_remote({"write-tree"}), "-p", "main", "-m", "foreign"});
  in_remote({"update-ref", "refs/heads/main", commit});
}

/// SIGKILL for a program and all that it started, in the same instant.
void kill_all(running_program& program) {
  program.signal(SIGSTOP);  // it starts no more
  const std::string pid = std::to_string(program.pid());
  std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
  for (int child = 0; children >> child;) ::kill(child, SIGKILL);
  program.signal(SIGKILL);
  static_cast<void>(program.wait());
}

}  // namespace

TEST_CASE("an update killed after any of its steps leaves a status that the next sync publishes") {
  board_site site;
  const deadly_git git(site);
  REQUIRE(site.update("a", "queued").status == 0);
  int steps = 0;
  for (bool killed = true; killed; ++steps) {
    killed =
        git.run({"update", site.checkout().string(), "a", "running", "--message", std::to_string(steps)}, steps + 1);
    if (killed) REQUIRE(site.sync().status == 0);
    REQUIRE(steps < 100);
  }
  CHECK(steps > 8);
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("message") == std::to_string(steps - 1));
  std::vector<std::string> expected = {""};
  for (int n = 0; n < steps; ++n) expected.push_back(std::to_string(n));
  CHECK(site.history("a") == expected);
  CHECK(site.changes().empty());
  CHECK(site.judge().empty());
}

TEST_CASE("a sync killed after any of its steps leaves nothing undone that the next does not do, and nothing twice") {
  board_site site("push: {first_pause: 5ms}\n");
  const deadly_git git(site);
  int steps = 0;
  std::vector<std::string> expected;
  const int stride = in_long_runs(1, 3);
  for (bool killed = true; killed; steps += stride) {
    push_foreign(site, steps);
    expected.push_back(std::to_string(steps));
    REQUIRE(site.update("a", "running", {"--message", expected.back()}).status == 0);
    killed = git.run({"sync", site.checkout().string()}, steps + 1);
    REQUIRE(site.sync().status == 0);
    REQUIRE(steps < 100);
  }
  CHECK(steps > 15);
  CHECK(site.history("a") == expected);
  CHECK(site.changes().empty());
  for (const std::string& n : expected) CHECK(fs::exists(site.checkout() / "foreign" / n));
  CHECK(site.judge().empty());
}

TEST_CASE("updates and syncs killed at any instant, with all their processes, lose no status that was written") {
  board_site site("push: {first_pause: 5ms}\nreclaim_ref_locks_after: 50ms\nreclaim_index_lock_after: 50ms\n");
  std::minstd_rand random(20261120);
  const int rounds = in_long_runs(400, 12);
  for (int n = 0; n < rounds; ++n) {
    const bool sync = n % 3 == 2;
    running_program program = site.start(sync ? std::vector<std::string>{"sync", site.checkout().string()}
                                              : std::vector<std::string>{"update", site.checkout().string(), "a",
                                                                         "running", "--message", std::to_string(n)});
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 120));
    kill_all(program);
  }
  REQUIRE(site.update("a", "done", {"--message", "last"}).status == 0);
  CHECK(eventually([&] { return site.sync().status == 0 && site.changes().empty(); }));
  CHECK(site.published("a").at("message") == "last");
  CHECK(site.changes().empty());
  CHECK(site.judge().empty());
}
