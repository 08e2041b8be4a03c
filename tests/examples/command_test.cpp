// The commands as people and scripts use them.

#include <csignal>

#include "examples/servers.hpp"
#include "support/catch.hpp"

using testing::child_process;
using testing::misbehaving_server;
using testing::read_file;
using testing::run_tool;
using testing::running_tool;
using testing::scratch_directory;
using testing::served_content;
using testing::tool_result;
using testing::write_file;

namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string file_url(const fs::path& file) {
  return "file://" + file.string();
}

}  // namespace

TEST_CASE("wrong arguments end with 64 and say what is expected") {
  const auto arguments = GENERATE(values<std::vector<std::string>>({
      {},
      {"get"},
      {"fetch", "https://example.org/a"},
      {"get", "https://example.org/a", "--policy", "sometimes"},
      {"get", "https://example.org/a", "--policy", "older-than=long"},
      {"get", "https://example.org/a", "--policy", "older-than=-5s"},
      {"get", "https://example.org/a", "--sha256", "12"},
      {"get", "https://example.org/a", "--jobs", "0"},
      {"get", "https://example.org/a", "--wait", "nan"},
      {"get", "ftp://example.org/a"},
      {"get", "https://me:secret@example.org/a"},
      {"get", "https://example.org/a", "https://example.org/b", "--sha256", std::string(64, 'a')},
      {"get", "https://example.org/a", "https://example.net/a", "--to", "somewhere"},
      {"get", "https://example.org/a", "https://example.org/b", "--to", "/etc/passwd"},
      {"remove"},
  }));
  const scratch_directory here;
  const tool_result result = run_tool(here, arguments);
  INFO(result.err);
  CHECK(result.status == 64);
  CHECK_FALSE(result.err.empty());
}

TEST_CASE("the exit status is part of the help") {
  const scratch_directory here;
  CHECK(contains(run_tool(here, {"--help"}).out, "Exit status"));
  CHECK(run_tool(here, {"get", "--help"}).status == 0);
}

TEST_CASE("several data sets go into a directory, and one that fails does not stop the others") {
  const scratch_directory here;
  std::vector<std::string> command = {"get", "--jobs", "3", "--to", (here / "new/place").string()};
  for (const std::string name : {"a", "b", "missing", "c"}) {
    if (name != "missing") write_file(here / name, "content of " + name);
    command.push_back(file_url(here / name));
  }
  const tool_result result = run_tool(here, command);
  INFO(result.err);
  CHECK(result.status == 66);
  for (const std::string name : {"a", "b", "c"}) CHECK(read_file(here / "new/place" / name) == "content of " + name);
  const std::string place = (here / "new/place").string();
  CHECK(result.out == place + "/a\n" + place + "/b\n" + place + "/c\n");
}

TEST_CASE("a destination with other content stays, unless overwriting is asked for") {
  const scratch_directory here;
  write_file(here / "source", "new");
  write_file(here / "mine", "precious");
  const std::string url = file_url(here / "source");
  CHECK(run_tool(here, {"get", url, "--to", (here / "mine").string()}).status == 73);
  CHECK(read_file(here / "mine") == "precious");
  CHECK(run_tool(here, {"get", url, "--to", (here / "mine").string(), "--overwrite"}).status == 0);
  CHECK(read_file(here / "mine") == "new");
}

TEST_CASE("a link shares the cache's file, a copy does not") {
  const scratch_directory here;
  write_file(here / "source", "content");
  const std::string url = file_url(here / "source");
  REQUIRE(run_tool(here, {"get", url, "--link", "--to", (here / "linked").string()}).status == 0);
  REQUIRE(run_tool(here, {"get", url, "--to", (here / "copied").string()}).status == 0);
  CHECK(fs::hard_link_count(here / "linked") == 2);
  CHECK(fs::hard_link_count(here / "copied") == 1);
}

TEST_CASE("a destination that can't be written is an error that names it, and the data set is cached all the same") {
  const scratch_directory here;
  const testing::scratch_mount read_only("tmpfs", "ro");
  if (!read_only.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  write_file(here / "source", "content");
  const fs::path to = read_only.path() / "mirror";
  const tool_result result = run_tool(here, {"get", file_url(here / "source"), "--to", to.string()});
  INFO(result.err);
  CHECK(result.status == 73);
  CHECK(contains(result.err, to.string()));
  CHECK(contains(run_tool(here, {"list"}).out, file_url(here / "source")));
}

TEST_CASE("never does not fetch, and older-than fetches what is old") {
  const scratch_directory here;
  const misbehaving_server server;
  const std::string url = server.url("/ok");
  CHECK(run_tool(here, {"get", url, "--policy", "never"}).status == 66);
  CHECK(run_tool(here, {"get", url, "--policy", "older-than=1h"}).status == 0);
  CHECK(server.requests() == 1);
  CHECK(run_tool(here, {"get", url, "--policy", "older-than=1h"}).status == 0);
  CHECK(run_tool(here, {"get", url, "--policy", "never"}).status == 0);
  CHECK(server.requests() == 0);
  CHECK(run_tool(here, {"get", url, "--policy", "older-than=0s"}).status == 0);
  CHECK(server.requests() == 1);
}

TEST_CASE("two processes that want the same data set fetch it once, and the second says for whom it waits") {
  const scratch_directory here;
  const misbehaving_server server;
  running_tool first(here, {"get", server.url("/gate"), "--to", (here / "first").string()});
  REQUIRE(server.next_line() == "GET /gate");
  REQUIRE(server.next_line() == "half");
  running_tool second(here, {"get", server.url("/gate"), "--to", (here / "second").string()});
  CHECK(second.says("waiting for pid "));
  server.open_gate();
  CHECK(first.wait().status == 0);
  CHECK(second.wait().status == 0);
  CHECK(server.requests() == 0);
  CHECK((read_file(here / "first") == served_content()));
  CHECK((read_file(here / "second") == served_content()));
}

TEST_CASE("waiting for another process ends when the time allowed is over") {
  const scratch_directory here;
  const misbehaving_server server;
  const running_tool first(here, {"get", server.url("/gate")});
  REQUIRE(server.next_line() == "GET /gate");
  CHECK(run_tool(here, {"get", server.url("/gate"), "--wait", "0"}).status == 75);
}

TEST_CASE("Ctrl-C and SIGTERM stop a transfer and leave nothing half done") {
  const auto [signal, status] = GENERATE(table<int, int>({{SIGINT, 130}, {SIGTERM, 143}}));
  const scratch_directory here;
  const misbehaving_server server;
  fs::create_directory(here / "place");
  running_tool tool(here, {"get", server.url("/gate"), "--to", (here / "place/data").string()});
  REQUIRE(server.next_line() == "GET /gate");
  REQUIRE(server.next_line() == "half");
  tool.signal(signal);
  const tool_result result = tool.wait();
  INFO(result.err);
  CHECK(result.status == status);
  CHECK(contains(result.err, "stopped; nothing is left half done"));
  CHECK(fs::is_empty(here / "place"));
  for (const fs::path& file : testing::files_below(here / "cache")) {
    INFO(file);
    CHECK(file.extension() != ".lkt");
    CHECK(fs::file_size(file) < 4000);  // locks, but no content
  }
  CHECK(run_tool(here, {"get", server.url("/ok")}).status == 0);
}

TEST_CASE("Ctrl-C ends a wait for another process") {
  const scratch_directory here;
  const misbehaving_server server;
  const running_tool first(here, {"get", server.url("/gate")});
  REQUIRE(server.next_line() == "GET /gate");
  running_tool second(here, {"get", server.url("/gate")});
  REQUIRE(second.says("waiting for pid "));
  second.signal(SIGINT);
  CHECK(second.wait().status == 130);
}

TEST_CASE("list shows what is cached and what the catalogue has, as a table and as JSON") {
  const scratch_directory here;
  write_file(here / "source \"1\"", "abc");
  const std::string url = "file://" + here.path().string() + "/source%20%221%22";
  write_file(here / "c.yaml", "one: {url: '" + url + "'}\ntwo: {url: 'https://example.org/two'}\n");
  const std::string file = (here / "c.yaml").string();
  REQUIRE(run_tool(here, {"get", "one", "--catalogue", file}).status == 0);
  const std::string table = run_tool(here, {"list", "--catalogue", file}).out;
  CHECK(contains(table, "ba7816bf8f01"));
  CHECK(contains(table, "not cached"));
  write_file(here / "list.json", run_tool(here, {"list", "--json", "--catalogue", file}).out);
  const std::string check =
      "import json, sys\none, two = json.load(open(sys.argv[1]))\n"
      "assert one['name'] == 'one' and one['size'] == 3 and one['cached'] is True\n"
      "assert one['sha256'].startswith('ba7816bf8f01') and 'fetched_at' in one\n"
      "assert two == {'name': 'two', 'url': 'https://example.org/two', 'cached': False}\n";
  CHECK(testing::run_program({"python3", "-c", check, (here / "list.json").string()}) == 0);
}

TEST_CASE("verify finds a damaged file, and with --repair the next get fetches it again") {
  const scratch_directory here;
  write_file(here / "source", "content");
  const std::string url = file_url(here / "source");
  const tool_result got = run_tool(here, {"get", url});
  REQUIRE(got.status == 0);
  CHECK(run_tool(here, {"verify"}).status == 0);
  const fs::path cached = got.out.substr(0, got.out.size() - 1);
  fs::permissions(cached, fs::perms::owner_write, fs::perm_options::add);
  write_file(cached, "CONTENT");
  const tool_result found = run_tool(here, {"verify"});
  CHECK(found.status == 65);
  CHECK(contains(found.err, url));
  CHECK(run_tool(here, {"verify", "--repair"}).status == 0);
  CHECK(run_tool(here, {"verify"}).status == 0);
  CHECK(run_tool(here, {"get", url, "--to", (here / "data").string()}).status == 0);
  CHECK(read_file(here / "data") == "content");
}

TEST_CASE("evict gives up what was used longest ago, and says what it keeps and why; stats counts") {
  const scratch_directory here;
  for (const char* name : {"old", "new"}) {
    write_file(here / name, std::string(1000, name[0]));
    REQUIRE(run_tool(here, {"get", file_url(here / name), "--to", (here / "data" / name).string()}).status == 0);
  }
  for (const auto& record : fs::recursive_directory_iterator(here / "cache" / "k")) {
    const bool is_old = record.is_regular_file() && contains(read_file(record.path()), "/old\n");
    if (is_old) fs::last_write_time(record.path(), fs::file_time_type::clock::now() - std::chrono::hours(50));
  }
  const tool_result kept = run_tool(here, {"evict", "--max-age", "2d"});
  CHECK(kept.status == 0);
  CHECK(contains(kept.err, "/old: stays, since it came within the grace time"));
  const tool_result dry = run_tool(here, {"evict", "--max-size", "1k", "--grace", "0", "--dry-run"});
  CHECK(contains(dry.err, "/old: would go (1.0 kB, last used 2 days ago)"));
  CHECK(contains(dry.err, "1.0 kB would be freed, 1.0 kB left"));
  CHECK(contains(run_tool(here, {"stats"}).out, ": 2 data sets, 2 contents, 2.0 kB\n"));
  const tool_result done = run_tool(here, {"evict", "--max-size", "1G", "--max-age", "2d", "--grace", "0"});
  CHECK(done.status == 0);
  CHECK(contains(done.err, "/old: evicted"));
  CHECK(read_file(here / "data" / "old") == std::string(1000, 'o'));  // mirrors stay
  write_file(here / "stats.json", run_tool(here, {"stats", "--json"}).out);
  const std::string check =
      "import json, sys\nfound = json.load(open(sys.argv[1]))\n"
      "assert found['data_sets'] == 1 and found['bytes'] == 1000 and found['leased'] == 0\n"
      "assert found['oldest_use'] == found['newest_use'] > 1700000000\n";
  CHECK(testing::run_program({"python3", "-c", check, (here / "stats.json").string()}) == 0);
  CHECK(run_tool(here, {"evict", "--max-size", "much"}).status == 64);
}

TEST_CASE("remove forgets a data set and leaves its mirrors alone") {
  const scratch_directory here;
  write_file(here / "source", "content");
  const std::string url = file_url(here / "source");
  REQUIRE(run_tool(here, {"get", url, "--to", (here / "data").string()}).status == 0);
  CHECK(run_tool(here, {"remove", url}).status == 0);
  CHECK(read_file(here / "data") == "content");
  CHECK(run_tool(here, {"get", url, "--policy", "never"}).status == 66);
  CHECK(run_tool(here, {"remove", url}).status == 66);
}
