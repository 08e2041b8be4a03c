/// update: the job's own file is written and committed, and nothing else is touched.
/// Seen to fail: with the branch's tree taken from .git/index, with the index not brought up, with the worktree's file
/// not read again under the lock.
#include <signal.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

TEST_CASE("an update commits its own file alone, and staged, dirty and untracked files stay exactly as they were") {
  board_site site;
  site.commit(site.checkout(), "code", "first\n", true);
  write_file(site.checkout() / "code", "staged\n");
  site.git(site.checkout(), {"add", "code"});
  write_file(site.checkout() / "code", "staged, and changed again\n");
  write_file(site.checkout() / "README", "dirty\n");
  write_file(site.checkout() / "notes", "untracked\n");
  site.git(site.checkout(), {"add", "-N", "notes"});
  const std::string before = site.changes();
  const std::string staged = site.git(site.checkout(), {"ls-files", "-s", "code", "README", "notes"});
  for (const char* progress : {"10", "20"}) {
    const tool_result result = site.update("a", "running", {"--progress", progress, "--message", "halfway"});
    INFO(result.err);
    REQUIRE(result.status == 0);
    CHECK(result.err.find("committed as ") != std::string::npos);
  }
  CHECK(site.changes() == before);
  CHECK(site.git(site.checkout(), {"ls-files", "-s", "code", "README", "notes"}) == staged);
  CHECK(read_file(site.checkout() / "code") == "staged, and changed again\n");
  CHECK(site.git(site.checkout(), {"show", "--format=%s", "--name-only", "HEAD"}) ==
        "status: a running 20 %\n\ndata/status/a.json");
  CHECK(nlohmann::json::parse(read_file(site.file_of("a"))).at("progress") == 20);
  CHECK(site.judge().empty());
}

TEST_CASE("an update needs no git index; that follows with the next update") {
  board_site site;
  REQUIRE(site.update("a", "queued").status == 0);
  write_file(site.checkout() / ".git" / "index.lock", "");  // a person's git is at work
  tool_result result = site.update("a", "running");
  CHECK(result.status == 0);
  CHECK(result.err.find("the index of the checkout follows later") != std::string::npos);
  CHECK(result.err.find("committed as ") != std::string::npos);
  fs::remove(site.checkout() / ".git" / "index.lock");
  CHECK_FALSE(site.changes().empty());
  REQUIRE(site.update("b", "running").status == 0);
  CHECK(site.changes() == "MM data/status/a.json");  // each update aligns its own file
  REQUIRE(site.sync().status == 0);
  CHECK(site.changes().empty());
}

TEST_CASE("a person's commit in the same moment is built upon, never undone") {
  board_site site;
  const auto meddling =
      site.meddle_before("update-ref", "cd checkout; echo theirs >code; git add code; git commit -m theirs");
  const tool_result result = site.run({"update", site.checkout().string(), "a", "running"}, meddling);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(site.git(site.checkout(), {"log", "--format=%s"}) == "status: a running\ntheirs\na person's README");
  CHECK(site.changes().empty());
}

TEST_CASE("a lock held for longer than the limit: the file is updated, the job goes on, the next sync commits it") {
  for (const char* shell : {"bash", "dash"}) {
    INFO(shell);
    board_site site("timeout: 300ms\n");
    running_program script = hold_as_script(site, shell);
    const tool_result result = site.update("a", "running", {"--message", "while held"});
    INFO(result.err);
    CHECK(result.status == 0);
    const std::string holder = "a script, pid " + std::to_string(script.pid());
    CHECK(result.err.find("update a (pid ") != std::string::npos);
    CHECK(result.err.find("waits for " + holder) != std::string::npos);
    CHECK(result.err.find("held by " + holder) != std::string::npos);
    CHECK(result.err.find("the file is updated here") != std::string::npos);
    CHECK(nlohmann::json::parse(read_file(site.file_of("a"))).at("message") == "while held");
    CHECK(site.git(site.checkout(), {"log", "--format=%s", "--", "data"}).empty());
    CHECK(site.sync().status == 75);
    script.signal(SIGTERM);
    CHECK(script.wait().status == 0);
    CHECK(site.sync().status == 0);
    CHECK(site.published("a").at("message") == "while held");
  }
}

TEST_CASE("updates that could not be committed each have their commit later, in their order, before the next one") {
  board_site site("timeout: 20ms\n");
  {
    running_program script = hold_as_script(site);
    for (const char* message : {"one", "two", "three"}) {
      REQUIRE(site.update("a", "running", {"--message", message}).status == 0);
    }
    REQUIRE(site.update("b", "running", {"--message", "alone"}).status == 0);
  }
  fs::remove(site.lock());
  REQUIRE(site.update("a", "done", {"--message", "four"}).status == 0);
  CHECK(site.git(site.checkout(), {"log", "-1", "--format=%s", "--", "data/status/b.json"}).empty());
  REQUIRE(site.sync().status == 0);
  CHECK(site.history("a") == std::vector<std::string>{"one", "two", "three", "four"});
  CHECK(site.history("b") == std::vector<std::string>{"alone"});
  CHECK(fs::is_empty(site.checkout() / ".git" / "status_board.updates"));
  CHECK(site.changes().empty());
}

TEST_CASE("who waited for whom is said, on both sides") {
  board_site site("timeout: 20s\n");
  running_program script = hold_as_script(site);
  running_program first = site.start({"update", site.checkout().string(), "a", "running"});
  REQUIRE(first.says("waits for a script, pid " + std::to_string(script.pid())));
  running_program second = site.start({"update", site.checkout().string(), "b", "running"});
  REQUIRE(second.says("waits for "));
  script.signal(SIGTERM);
  const tool_result a = first.wait();
  const tool_result b = second.wait();
  CHECK(a.err.find(" s for a script, pid ") != std::string::npos);
  CHECK(b.err.find("(pid ") != std::string::npos);
  CHECK(b.err.find("waited ") != std::string::npos);
  CHECK(a.err.find("committed as ") != std::string::npos);
  CHECK(b.err.find("committed as ") != std::string::npos);
}

TEST_CASE("the first commit of a repository can be a status, and each update is later than the one before") {
  board_site site;
  site.git(site.directory().path(), {"init", "-q", "fresh"});
  const std::string fresh = (site.directory() / "fresh").string();
  std::string last;
  for (int n = 0; n < 3; ++n) {
    REQUIRE(site.run({"update", fresh, "a", "running"}).status == 0);
    const auto now = nlohmann::json::parse(read_file(fs::path(fresh) / "data/status/a.json"));
    CHECK(now.at("updated") > last);
    last = now.at("updated");
  }
  CHECK(site.git(fresh, {"rev-list", "--count", "HEAD"}) == "3");
  // A clock that was set back: the file's own time goes on.
  write_file(fs::path(fresh) / "data/status/a.json",
             R"({"job": "a", "state": "running", "updated": "2999-01-01T00:00:00.000000Z"})");
  REQUIRE(site.run({"update", fresh, "a", "done"}).status == 0);
  CHECK(nlohmann::json::parse(read_file(fs::path(fresh) / "data/status/a.json")).at("updated") ==
        "2999-01-01T00:00:00.000001Z");
}

TEST_CASE("a linked worktree shares the lock of its repository, and is kept to its own branch and index") {
  board_site site("timeout: 200ms\n");
  site.git(site.checkout(), {"worktree", "add", "-q", "-b", "side", "../side"});
  const std::string side = (site.directory() / "side").string();
  {
    running_program script = hold_as_script(site);
    CHECK(site.run({"update", side, "a", "running"}).err.find("lock not had") != std::string::npos);
  }
  fs::remove(site.lock());
  REQUIRE(site.run({"update", side, "a", "running"}).status == 0);
  CHECK(site.git(side, {"status", "--porcelain"}).empty());
  CHECK(site.git(side, {"log", "-1", "--format=%s", "side"}) == "status: a running");
  CHECK(site.changes().empty());
}

TEST_CASE("what is no checkout with a branch is refused, or kept as a file until there is one") {
  board_site site;
  CHECK(site.run({"update", site.remote().string(), "a", "running"}).err.find("bare") != std::string::npos);
  CHECK(site.run({"update", site.directory().path().string(), "a", "running"}).status == 66);
  fs::create_directory(site.checkout() / "below");
  CHECK(site.run({"update", (site.checkout() / "below").string(), "a", "running"}).status == 66);
  site.git(site.checkout(), {"checkout", "-q", "--detach"});
  const tool_result result = site.update("a", "running");
  CHECK(result.status == 0);
  CHECK(result.err.find("no branch is checked out") != std::string::npos);
  CHECK(site.sync().status == 65);
  site.git(site.checkout(), {"checkout", "-q", "main"});
  CHECK(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "running");
}
