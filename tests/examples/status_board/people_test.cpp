/// What people and old scripts do to a checkout between, beside and in the middle of an update or a sync.
/// Each seen to fail before its rule was mended: a file overwritten, a published change staged to be undone, a status that
/// no later sync would have sent.
#include <signal.h>
#include <sys/stat.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

namespace {

std::string head_of(const board_site& site) {
  return site.git(site.checkout(), {"rev-parse", "HEAD"});
}

/// Somebody else's commit of one file, pushed.
void push_theirs(const board_site& site, const std::string& file) {
  const fs::path other = site.clone("other");
  write_file(site.directory() / "other" / ".git" / "info" / "exclude", "");
  site.commit(other, file, "theirs\n", true);
}

/// A `git` before the real one in PATH, which does `script` before the first call whose words have `part`.
std::string git_that(const board_site& site, const std::string& part, const std::string& script) {
  const fs::path bin = site.directory() / "bin";
  fs::create_directories(bin);
  write_file(bin / "git", "#!/bin/sh\ncase \"$*\" in *\"" + part + "\"*) [ -e \"$0.done\" ] || { : > \"$0.done\"; " +
                              script + "; };; esac\nexec /usr/bin/git \"$@\"\n");
  REQUIRE(::chmod((bin / "git").c_str(), 0755) == 0);
  return "PATH=" + bin.string() + ":/usr/bin:/bin";
}

}  // namespace

TEST_CASE("a commit upon a move whose note was left undoes nothing of what the move brought") {
  board_site site;
  push_theirs(site, "README");
  site.git(site.checkout(), {"fetch", "-q"});
  const std::string from = head_of(site);
  const std::string to = site.git(site.checkout(), {"rev-parse", "origin/main"});
  const bool moved = GENERATE(true, false);
  INFO("the branch was moved, too: " << moved);
  write_file(site.checkout() / ".git" / "status_board.moving", "refs/heads/main " + from + " " + to + "\n");
  site.git(site.checkout(), {"read-tree", "-m", "-u", from, to});  // and then it was killed
  if (moved) site.git(site.checkout(), {"update-ref", "refs/heads/main", to, from});
  site.commit(site.checkout(), "mine", "mine\n", false);  // with all that is staged
  REQUIRE(site.update("a", "running").status == 0);
  CHECK(site.changes().empty());
  CHECK(read_file(site.checkout() / "README") == "theirs\n");
}

TEST_CASE("a sync finishes the move of another that was killed meanwhile, before it begins its own") {
  board_site site;
  push_theirs(site, "README");
  site.git(site.checkout(), {"fetch", "-q"});
  const std::string killed =
      "cd '" + site.checkout().string() + "' && from=$(/usr/bin/git rev-parse HEAD) && " +
      "to=$(/usr/bin/git rev-parse origin/main) && echo refs/heads/main $from $to > .git/status_board.moving && " +
      "/usr/bin/git read-tree -m -u $from $to && cd ../other && echo later > README && " +
      "/usr/bin/git commit -q -a -m later && /usr/bin/git push -q || echo failed > ../failed";
  const tool_result result = site.run({"sync", site.checkout().string()}, {git_that(site, " fetch ", killed)});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_FALSE(fs::exists(site.directory() / "failed"));
  CHECK(read_file(site.checkout() / "README") == "later\n");
  CHECK(site.changes().empty());
  CHECK(head_of(site) == site.git(site.remote(), {"rev-parse", "main"}));
}

TEST_CASE("somebody who switches the branch while the checkout follows has it as it is in the commit") {
  board_site site;
  push_theirs(site, "README");
  site.git(site.checkout(), {"branch", "side"});
  const std::string path =
      git_that(site, "read-tree -m -u", "/usr/bin/git -C '" + site.checkout().string() + "' switch -q side");
  const tool_result result = site.run({"sync", site.checkout().string()}, {path});
  CHECK(result.err.find("another branch was checked out") != std::string::npos);
  CHECK(site.changes().empty());
  CHECK(read_file(site.checkout() / "README") == "a project\n");
}

TEST_CASE("a file that git ignores here is in the way like any other: it is nobody's to overwrite") {
  for (const auto& [mine, theirs] :
       {std::pair("secret", "secret"), std::pair("build/x", "build"), std::pair("secret", "secret/deeper")}) {
    INFO(mine << " beside " << theirs);
    board_site site;
    const std::string name = fs::path(mine).begin()->string();
    write_file(site.checkout() / ".git" / "info" / "exclude", name + "\n");
    fs::create_directories((site.checkout() / mine).parent_path());
    write_file(site.checkout() / mine, "mine\n");
    push_theirs(site, theirs);
    REQUIRE(site.update("a", "running").status == 0);
    const tool_result result = site.sync();
    CHECK(result.status == 0);
    CHECK(result.err.find("'" + std::string(mine) + "', which git does not know, is in the way") != std::string::npos);
    CHECK(read_file(site.checkout() / mine) == "mine\n");
    CHECK(site.published("a").at("state") == "running");
    fs::remove_all(site.checkout() / name);
    REQUIRE(site.sync().status == 0);
    CHECK(read_file(site.checkout() / theirs) == "theirs\n");
  }
}

TEST_CASE("a status in a person's unpublished commit is sent, once, and the rest of the commit is not") {
  board_site site("timeout: 50ms\n");
  REQUIRE(site.update("a", "running").status == 0);
  REQUIRE(site.sync().status == 0);
  {
    running_program script = hold_as_script(site);
    REQUIRE(site.update("a", "done").status == 0);  // not committed
  }
  fs::remove(site.lock());
  write_file(site.checkout() / "README", "draft\n");
  site.git(site.checkout(), {"commit", "-q", "-a", "-m", "a person's draft, and all that lay there"});
  for (int n = 0; n < 2; ++n) REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "done");
  CHECK(site.git(site.remote(), {"show", "main:README"}) == "a project");
  CHECK(site.git(site.remote(), {"rev-list", "--count", "main"}) == "3");
  site.git(site.checkout(), {"pull", "-q", "--rebase"});
  site.git(site.checkout(), {"push", "-q"});
  CHECK(site.git(site.remote(), {"show", "main:README"}) == "draft");
  CHECK(site.published("a").at("state") == "done");
  CHECK(site.judge().empty());
}

TEST_CASE("a person's commit that undoes a status undoes it nowhere else") {
  board_site site;
  for (const char* state : {"running", "done"}) REQUIRE(site.update("a", state).status == 0);
  REQUIRE(site.sync().status == 0);
  site.git(site.checkout(), {"checkout", "-q", "HEAD~1", "--", "data"});
  site.commit(site.checkout(), "draft", "draft\n", false);
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "done");
}

TEST_CASE("a status is sent though it is the first commit of its history, or a file that may be executed") {
  board_site site;
  site.git(site.directory().path(), {"init", "-q", "fresh"});
  const std::string fresh = (site.directory() / "fresh").string();
  site.git(fresh, {"remote", "add", "origin", "../remote.git"});
  REQUIRE(site.run({"update", fresh, "first", "done"}).status == 0);
  REQUIRE(site.run({"sync", fresh}).status == 0);
  CHECK(site.published("first").at("state") == "done");
  CHECK(read_file(fs::path(fresh) / "README") == "a project\n");

  fs::create_directories(site.file_of("script").parent_path());
  write_file(site.file_of("script"), R"({"state": "done"})");
  REQUIRE(::chmod(site.file_of("script").c_str(), 0755) == 0);
  site.git(site.checkout(), {"add", "data"});
  site.git(site.checkout(), {"commit", "-q", "-m", "by an old script"});
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("script").at("state") == "done");
  CHECK(site.changes().empty());
}

TEST_CASE("who pulls by a merge has nothing sent a second time") {
  board_site site;
  site.commit(site.checkout(), "draft", "draft\n", false);
  for (const char* message : {"one", "two"}) REQUIRE(site.update("a", "running", {"--message", message}).status == 0);
  REQUIRE(site.sync().status == 0);
  site.git(site.clone("other"), {"log", "-1"});
  site.commit(site.directory() / "other", "README", "theirs\n", true);
  const std::string before = site.git(site.remote(), {"rev-parse", "main"});
  site.git(site.checkout(), {"pull", "-q", "--no-rebase", "--no-edit"});
  REQUIRE(site.sync().status == 0);
  CHECK(site.git(site.remote(), {"rev-parse", "main"}) == before);
  CHECK(site.history("a") == std::vector<std::string>{"one", "two"});
}

TEST_CASE("somebody's file where statuses need a directory is not removed: the sync fails and says so") {
  board_site site;
  REQUIRE(site.update("a", "running").status == 0);
  push_theirs(site, "data/status");
  const tool_result result = site.sync();
  CHECK(result.status != 0);
  CHECK(result.err.find("data/status") != std::string::npos);
  CHECK(site.git(site.remote(), {"show", "main:data/status"}) == "theirs");
}

TEST_CASE("the lock on our note of the remote, which a killed git left, does not stop syncs for ever") {
  board_site site("push: {attempts: 1}\nreclaim_ref_locks_after: 1ms\n");
  REQUIRE(site.update("a", "running").status == 0);
  push_theirs(site, "README");
  write_file(site.checkout() / ".git" / "refs" / "remotes" / "origin" / "main.lock", "");
  const tool_result result = site.sync();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(site.published("a").at("state") == "running");
}

TEST_CASE("a sync that repeats outlives a time without a branch") {
  board_site site;
  site.git(site.checkout(), {"checkout", "-q", "--detach"});
  running_program sync = site.start({"sync", site.checkout().string(), "--every", "0.1"});
  REQUIRE(sync.says("no branch is checked out"));
  site.git(site.checkout(), {"checkout", "-q", "main"});
  REQUIRE(site.update("a", "running").status == 0);
  CHECK(eventually([&] { return !site.published("a").is_null(); }));
}

TEST_CASE("a file with the marks of somebody's merge, or half a file, is not sent in a status's place") {
  board_site site;
  const std::string checkout = site.checkout().string();
  REQUIRE(site.update("a", "running").status == 0);
  REQUIRE(site.sync().status == 0);
  site.git(checkout, {"checkout", "-q", "-b", "side"});
  REQUIRE(site.update("a", "paused").status == 0);
  site.git(checkout, {"checkout", "-q", "main"});
  REQUIRE(site.update("a", "done").status == 0);
  CHECK_THROWS(site.git(checkout, {"merge", "-q", "side"}));
  REQUIRE(read_file(site.file_of("a")).find("<<<<<<<") != std::string::npos);
  for (int n = 0; n < 2; ++n) {
    REQUIRE(site.sync().status == 0);
    CHECK(site.published("a").at("state") == "done");
    write_file(site.file_of("a"), R"({"state": "do)");
  }
  CHECK(site.git(checkout, {"rev-parse", "MERGE_HEAD"}) == site.git(checkout, {"rev-parse", "side"}));
  REQUIRE(site.update("a", "failed").status == 0);
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "failed");
}

TEST_CASE(
    "an update whose file somebody takes away or puts back while it waits is committed, and its file stands again") {
  for (const bool whole_folder : {false, true}) {
    board_site site("timeout: 20s\n");
    REQUIRE(site.update("a", "running").status == 0);
    running_program script = hold_as_script(site);
    running_program update = site.start({"update", site.checkout().string(), "a", "done"});
    REQUIRE(update.says("waits for "));
    if (whole_folder) {
      fs::remove_all(site.checkout() / "data");
    } else {
      site.git(site.checkout(), {"checkout", "-q", "--", "."});
    }
    script.signal(SIGTERM);
    static_cast<void>(script.wait());
    CHECK(update.wait().err.find("committed as ") != std::string::npos);
    CHECK(site.changes().empty());
    REQUIRE(site.sync().status == 0);
    CHECK(site.published("a").at("state") == "done");
  }
}

TEST_CASE("an update is later than what the branch has, though no file here says so and the clock does not") {
  board_site site;
  site.commit(site.checkout(), "data/status/a.json",
              R"({"state": "running", "updated": "2999-01-01T00:00:00.000000Z"})", true);
  fs::remove(site.file_of("a"));  // as a sparse checkout does
  const tool_result result = site.update("a", "done");
  INFO(result.err);
  CHECK(result.err.find("committed as ") != std::string::npos);
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "done");
}

TEST_CASE("an update that the job's next one overtakes in the middle of its commit does not come back upon that one") {
  board_site site("timeout: 50ms\n");
  REQUIRE(site.update("a", "queued").status == 0);
  const std::vector<std::string> update = {"update", site.checkout().string(), "a"};
  const std::string next = std::string(STATUS_BOARD_PROGRAM) + " update '" + update[1] + "' a done 2>/dev/null";
  REQUIRE(site.run({update[0], update[1], "a", "running"}, {git_that(site, " symbolic-ref ", next)}).status == 0);
  REQUIRE(site.sync().status == 0);
  CHECK(site.published("a").at("state") == "done");
  CHECK(site.history("a").size() == 3);
}

TEST_CASE("a checkout whose lines end with CR and LF sends each status once") {
  board_site site;
  const fs::path other = site.clone("other");
  site.git(other, {"config", "core.autocrlf", "true"});
  REQUIRE(site.update("a", "running").status == 0);
  REQUIRE(site.sync().status == 0);
  const std::string before = site.git(site.remote(), {"rev-parse", "main"});
  for (int n = 0; n < 2; ++n) REQUIRE(site.run({"sync", other.string()}).status == 0);
  REQUIRE(read_file(other / "data/status/a.json").find('\r') != std::string::npos);
  CHECK(site.git(site.remote(), {"rev-parse", "main"}) == before);
}

TEST_CASE("a killed sync's git that still moves the checkout is left to end, and the next sync goes on from there") {
  board_site site;
  const std::string checkout = site.checkout().string();
  site.commit(site.checkout(), ".gitattributes", "slow filter=slow\n", true);
  site.git(checkout, {"config", "filter.slow.smudge", ": > ../started; until [ -e ../go ]; do sleep 0.01; done; cat"});
  push_theirs(site, "slow");
  running_program sync = site.start({"sync", checkout});
  REQUIRE(eventually([&] { return fs::exists(site.directory() / "started"); }));
  sync.signal(SIGKILL);
  static_cast<void>(sync.wait());
  const tool_result result = site.update("a", "running");
  INFO(result.err);
  CHECK(result.err.find("committed as ") != std::string::npos);
  write_file(site.directory() / "go", "");
  REQUIRE(eventually([&] { return !fs::exists(site.checkout() / ".git" / "index.lock"); }));
  site.commit(site.directory() / "other", "slow", "theirs again\n", true);
  REQUIRE(site.sync().status == 0);
  CHECK(site.changes().empty());
  CHECK(read_file(site.checkout() / "slow") == "theirs again\n");
  CHECK(head_of(site) == site.git(site.remote(), {"rev-parse", "main"}));
}
