/// What is meant to harm: names, texts, links in the way, pages, environments, configurations.
/// Seen to fail: without the names' check, with links followed on the way, without escaping, with GIT_* passed on.
#include <sys/stat.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

TEST_CASE("names that a shell, an option parser or git would read otherwise are jobs like others") {
  board_site site;
  const std::vector<std::string> jobs = {"-rf",
                                         "--message=x",
                                         "a b",
                                         "a;touch executed",
                                         "$(touch executed)",
                                         "`id`",
                                         "'\"\\",
                                         "*",
                                         ":(top)README",
                                         "a&b|c>d",
                                         "[a,b]",
                                         "%s%n",
                                         "Zürich 日本",
                                         "!",
                                         "~root",
                                         "x.json",
                                         "HEAD",
                                         "a\\nb",
                                         std::string(200, 'n')};
  for (const std::string& job : jobs) {
    INFO(job);
    const tool_result result = site.update(job, "running", {"--message", job});
    INFO(result.err);
    REQUIRE(result.status == 0);
    REQUIRE(result.err.find("committed as ") != std::string::npos);
    CHECK(fs::exists(site.file_of(job)));
  }
  REQUIRE(site.sync().status == 0);
  for (const std::string& job : jobs) CHECK(site.published(job).value("message", "") == job);
  CHECK(site.changes().empty());
  CHECK_FALSE(fs::exists(site.checkout() / "executed"));
  const tool_result table = site.run({"show", site.checkout().string()});
  CHECK(table.status == 0);
  CHECK(table.out.find(std::to_string(jobs.size()) + " jobs") != std::string::npos);
  CHECK(site.judge().empty());
}

TEST_CASE("names and texts that forge paths, lines or terminals are refused before anything is touched") {
  board_site site;
  const std::string tip = site.git(site.checkout(), {"rev-parse", "HEAD"});
  for (const std::string& job :
       {std::string(), std::string("."), std::string(".."), std::string("../../x"), std::string("/etc/x"),
        std::string("a/b"), std::string(".hidden"), std::string("a\nb"), std::string("a\rb"), std::string("\x1b[31m"),
        std::string("\xff\xfe"), std::string("\xc0\xaf"),
        std::string("a\xe2\x80\xae"
                    "b"),
        std::string("\xc2\x85"), std::string(255, 'n'), std::string(201, 'n'), std::string("\x7f")}) {
    INFO(job);
    const tool_result result = site.update(job, "running");
    CHECK(result.status == 64);
    CHECK(result.err.find("\x1b[31m") == std::string::npos);
  }
  for (const std::string& state : {std::string(), std::string("Running"), std::string("a b"), std::string(33, 's')}) {
    CHECK(site.update("a", state).status == 64);
  }
  CHECK(site.update("a", "running", {"--message", "\x1b[2J"}).status == 64);
  CHECK(site.update("a", "running", {"--message", std::string(2001, 'm')}).status == 64);
  CHECK(site.update("a", "running", {"--progress", "101"}).status == 64);
  CHECK_FALSE(fs::exists(site.checkout() / "data"));
  CHECK(site.git(site.checkout(), {"rev-parse", "HEAD"}) == tip);
}

TEST_CASE("links planted in the way lead nowhere: nothing outside the checkout is read or written") {
  for (const std::string& planted :
       {std::string("data"), std::string("data/status"), std::string("data/status/a.json")}) {
    INFO(planted);
    board_site site;
    const fs::path outside = site.directory() / "outside";
    fs::create_directories(outside / "status");
    write_file(outside / "a.json", R"({"state": "secret"})");
    write_file(outside / "status" / "a.json", R"({"state": "secret"})");
    fs::create_directories((site.checkout() / planted).parent_path());
    const bool is_file = planted.ends_with(".json");
    fs::create_symlink(is_file ? outside / "a.json" : outside, site.checkout() / planted);
    const tool_result result = site.update("a", "running");
    INFO(result.err);
    CHECK(result.status == (is_file ? 0 : 65));  // a link at the file's own name is replaced
    CHECK(fs::is_symlink(site.checkout() / planted) != is_file);
    CHECK(read_file(outside / "a.json") == R"({"state": "secret"})");
    CHECK(read_file(outside / "status" / "a.json") == R"({"state": "secret"})");
    CHECK(site.run({"show", site.checkout().string()}).out.find("secret") == std::string::npos);
    CHECK(site.sync().status == (is_file ? 0 : 65));
    CHECK(site.git(site.remote(), {"log", "-p", "main"}).find("secret") == std::string::npos);
  }
}

TEST_CASE("where the kernel has no openat2, links are not followed either") {
  board_site site;
  const auto update = [&](const std::string& job) {  // who is traced can't look for leaks
    return running_program(site.directory(), {"env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-o", "/dev/null", "-e",
                                              "inject=openat2:error=ENOSYS", STATUS_BOARD_PROGRAM, "update",
                                              site.checkout().string(), job, "running"})
        .wait();
  };
  const tool_result plain = update("a");
  INFO(plain.err);
  CHECK(plain.status == 0);
  CHECK(fs::exists(site.file_of("a")));
  fs::rename(site.checkout() / "data", site.directory() / "outside");
  fs::create_symlink(site.directory() / "outside", site.checkout() / "data");
  CHECK(update("b").status == 65);
  CHECK_FALSE(fs::exists(site.directory() / "outside" / "status" / "b.json"));
}

TEST_CASE("a FIFO, a directory, a huge file or nonsense where a status belongs stops neither sync nor show") {
  board_site site;
  fs::create_directories(site.file_of("directory"));
  REQUIRE(::mkfifo(site.file_of("fifo").c_str(), 0666) == 0);
  write_file(site.file_of("huge"), std::string(100'000, 'x'));
  write_file(site.file_of("deep"), std::string(60'000, '['));
  write_file(site.file_of("types"), R"({"state": "running", "progress": "x", "message": 3, "updated": "yesterday"})");
  write_file(site.file_of("nul"), std::string("{\"state\": \"\0\"}", 14));
  REQUIRE(site.update("a", "running").status == 0);
  REQUIRE(site.sync().status == 0);
  const tool_result table = site.run({"show", site.checkout().string()});
  CHECK(table.status == 0);
  CHECK(table.out.find("4 jobs") != std::string::npos);
  CHECK(site.update("fifo", "running").status == 73);
  CHECK(site.update("directory", "running").status == 73);
  REQUIRE(site.update("huge", "running").status == 0);
}

TEST_CASE("a page shows hostile texts as texts, runs nothing and loads nothing") {
  board_site site;
  const std::string evil = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'&";
  REQUIRE(site.update("x<b>", "running", {"--message", evil, "--progress", "40"}).status == 0);
  write_file(site.file_of("forged"), R"({"state": "x\" onload=\"y", "message": "\u001b[2J\u202e", "updated": "<i>"})");
  const fs::path page = site.directory() / "page.html";
  REQUIRE(site.run({"show", site.checkout().string(), "--html", page.string()}).status == 0);
  const std::string text = read_file(page);
  for (const char* part :
       {"<script", "<img", "onload=\"", "<b>x", "\x1b", "\xe2\x80\xae", "<i>", " src=\"", "href=", "url("}) {
    INFO(part);
    CHECK(text.find(part) == std::string::npos);
  }
  CHECK(text.find("default-src 'none'") != std::string::npos);
  CHECK(text.find("&lt;script&gt;alert(1)&lt;/script&gt;") != std::string::npos);
  CHECK(text.find("x&lt;b&gt;") != std::string::npos);
  CHECK(text.find("value=\"40\"") != std::string::npos);
  CHECK(site.run({"show", site.checkout().string()}).out.find('\x1b') == std::string::npos);
}

TEST_CASE("an environment that leads git astray does not") {
  board_site site;
  const std::string other = site.clone("other").string();
  const tool_result result =
      site.run({"update", site.checkout().string(), "a", "running"},
               {"GIT_DIR=" + other + "/.git", "GIT_INDEX_FILE=/nowhere/index", "GIT_WORK_TREE=" + other,
                "GIT_OBJECT_DIRECTORY=/nowhere", "GIT_AUTHOR_NAME=Somebody Else", "LC_ALL=de_DE.UTF-8",
                "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.bare", "GIT_CONFIG_VALUE_0=true"});
  INFO(result.err);
  CHECK(result.err.find("committed as ") != std::string::npos);
  CHECK(site.git(site.checkout(), {"log", "-1", "--format=%an %s"}) == "status_board status: a running");
  CHECK(site.git(other, {"status", "--porcelain"}).empty());
}

TEST_CASE("hooks, prompts and signatures of a checkout are not run by an update or a sync") {
  board_site site("push: {attempts: 1}\n");
  for (const char* hook :
       {"pre-commit", "post-commit", "reference-transaction", "pre-push", "post-index-change", "post-checkout"}) {
    const fs::path file = site.checkout() / ".git" / "hooks" / hook;
    write_file(file, "#!/bin/sh\ntouch \"" + (site.directory() / "ran").string() + "\"\nexit 1\n");
    REQUIRE(::chmod(file.c_str(), 0755) == 0);
  }
  for (const char* key : {"commit.gpgSign", "push.gpgSign"}) site.git(site.checkout(), {"config", key, "true"});
  REQUIRE(site.update("a", "running").status == 0);
  REQUIRE(site.sync().status == 0);
  CHECK_FALSE(fs::exists(site.directory() / "ran"));
}

TEST_CASE("a configuration that would take git's own locks, or is not understood, is refused by line") {
  board_site site;
  for (const char* text :
       {"lock: index\n", "lock: HEAD\n", "lock: ../x\n", "lock: .x\n", "remote: --upload-pack=touch\n", "branch: -x\n",
        "timeout: soon\n", "tmeout: 3s\n", "push: {attempts: 0}\n", "[1]\n"}) {
    INFO(text);
    site.configure(text, site.checkout());
    const tool_result result = site.update("a", "running");
    CHECK(result.status == 65);
    CHECK(result.err.find("status_board.yaml:1:") != std::string::npos);
  }
  site.configure("lock: old-name\n", site.checkout());
  REQUIRE(site.update("a", "running").status == 0);
  CHECK(fs::exists(site.checkout() / ".git" / ".old-name.lock.guard"));
}
