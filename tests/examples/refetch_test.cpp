// Fetching again: what is asked for, what is served, and what is believed.

#include <signal.h>

#include <lockkit/error.hpp>

#include "examples/servers.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::files_below;
using testing::misbehaving_server;
using testing::nginx_server;
using testing::read_file;
using testing::run_tool;
using testing::running_tool;
using testing::scratch_directory;
using testing::served_content;
using testing::served_request;
using testing::tool_result;
using testing::write_file;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// 3 MiB, each line another one.
std::string large_content(const std::string& version) {
  std::string text;
  for (int n = 0; text.size() < (std::size_t{3} << 20U); ++n) text += version + " " + std::to_string(n) + "\n";
  return text;
}

/// Old enough for its time to tell versions apart.
void write_old_file(const fs::path& file, const std::string& text, std::chrono::minutes age) {
  write_file(file, text);
  fs::last_write_time(file, fs::file_time_type::clock::now() - age);
}

struct site {
  scratch_directory root;
  scratch_directory here;

  site() {
    for (const char* name : {"slow", "fresh", "old"}) fs::create_directory(root / name);
  }
  tool_result get(const std::string& url, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"get", url, "--overwrite", "--to", (here / "data").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    tool_result result = run_tool(here, arguments);
    UNSCOPED_INFO(url << ": " << result.status << "\n" << result.err);
    return result;
  }
  std::uintmax_t kept_bytes() const {
    std::uintmax_t bytes = 0;
    std::error_code gone;  // as files do while one looks
    for (const auto& entry : fs::directory_iterator(here / "cache" / "p", gone)) {
      const auto size = entry.file_size(gone);
      if (!gone && !has(entry.path().filename().string(), ".about")) bytes += size;
    }
    return bytes;
  }
  /// A get that is ended by `signal` in the middle of the transfer; returns how much it left.
  std::uintmax_t cut_short(const nginx_server& nginx, int signal) {
    running_tool tool(here, {"get", nginx.url("/slow/data")});
    REQUIRE(eventually([&] { return kept_bytes() >= (std::uintmax_t{1} << 20U); }));
    tool.signal(signal);
    CHECK(tool.wait().status == 128 + signal);
    REQUIRE(eventually([&] { return nginx.requests("/slow/data") == 1; }));
    return kept_bytes();
  }
};

}  // namespace

TEST_CASE_METHOD(site, "a transfer that was cut is gone on with, and exactly the missing bytes are served") {
  write_old_file(root / "slow" / "data", large_content("one"), std::chrono::hours(1));
  const nginx_server nginx(root.path());
  const std::uintmax_t total = fs::file_size(root / "slow" / "data");
  const int signal = GENERATE(SIGKILL, SIGTERM);
  const std::uintmax_t kept = cut_short(nginx, signal);
  REQUIRE(kept < total);
  CHECK(get(nginx.url("/slow/data")).status == 0);
  CHECK((read_file(here / "data") == large_content("one")));
  const served_request last = nginx.log().back();
  CHECK(last.status == 206);
  CHECK(last.range == "bytes=" + std::to_string(kept) + "-");
  CHECK(last.body_bytes == total - kept);
  CHECK(kept_bytes() == 0);
  CHECK(run_tool(here, {"verify"}).status == 0);
}

TEST_CASE_METHOD(site, "a file that was changed since its transfer was cut is fetched whole") {
  write_old_file(root / "slow" / "data", large_content("one"), std::chrono::hours(2));
  const nginx_server nginx(root.path());
  (void)cut_short(nginx, SIGKILL);
  write_old_file(root / "slow" / "data", large_content("two"), std::chrono::hours(1));
  CHECK(get(nginx.url("/slow/data")).status == 0);
  CHECK((read_file(here / "data") == large_content("two")));
  const served_request last = nginx.log().back();
  CHECK(last.status == 200);
  CHECK(last.range != "-");  // it was asked
  CHECK(last.body_bytes == large_content("two").size());
  CHECK(kept_bytes() == 0);
}

TEST_CASE_METHOD(site, "a server that knows no ranges is believed: what came before is dropped") {
  write_old_file(root / "slow" / "data", large_content("one"), std::chrono::hours(1));
  nginx_server nginx(root.path());
  (void)cut_short(nginx, SIGKILL);
  nginx.stop();
  const testing::python_server other(root.path(), nginx.port());
  CHECK(get(nginx.url("/slow/data")).status == 0);
  CHECK((read_file(here / "data") == large_content("one")));
  CHECK(kept_bytes() == 0);
}

TEST_CASE_METHOD(site, "a refresh of what was not modified costs no body, by tag and by time") {
  write_old_file(root / "data", served_content(), std::chrono::hours(1));
  nginx_server nginx(root.path());
  const std::string url = nginx.url("/data");
  CHECK(get(url).status == 0);
  const tool_result again = get(url, {"--policy", "always"});
  CHECK(again.status == 0);
  CHECK(has(again.err, "not modified at its source"));
  CHECK(nginx.log().back().status == 304);
  CHECK(nginx.log().back().body_bytes == 0);
  write_old_file(root / "data", "changed", std::chrono::minutes(30));
  CHECK(get(url, {"--policy", "always"}).status == 0);
  CHECK(read_file(here / "data") == "changed");
  CHECK(nginx.log().back().status == 200);
  // Python's knows times only.
  nginx.stop();
  const testing::python_server other(root.path(), nginx.port());
  CHECK(get(url, {"--policy", "always"}).status == 0);
  CHECK(has(get(url, {"--policy", "always"}).err, "not modified at its source"));
}

TEST_CASE_METHOD(site, "if-stale asks when the time that the server gave has passed") {
  for (const char* name : {"fresh", "old"})
    write_old_file(root / name / "data", served_content(), std::chrono::hours(1));
  const nginx_server nginx(root.path());
  for (int n = 0; n < 2; ++n) {
    CHECK(get(nginx.url("/fresh/data"), {"--policy", "if-stale"}).status == 0);
    CHECK(get(nginx.url("/old/data"), {"--policy", "if-stale"}).status == 0);
  }
  CHECK(nginx.requests("/fresh/data") == 1);
  CHECK(nginx.requests("/old/data") == 2);
  CHECK(nginx.log().back().status == 304);
}

TEST_CASE_METHOD(site, "offline, the cache answers or says what it has not got, and nobody is asked") {
  write_old_file(root / "data", served_content(), std::chrono::hours(1));
  const nginx_server nginx(root.path());
  const tool_result missing = get(nginx.url("/data"), {"--offline"});
  CHECK(missing.status == 66);
  CHECK(has(missing.err, nginx.url("/data")));
  CHECK(nginx.log().empty());
  CHECK(get(nginx.url("/data")).status == 0);
  CHECK(get(nginx.url("/data"), {"--offline", "--policy", "always"}).status == 0);
  CHECK(nginx.log().size() == 1);
  CHECK(get(nginx.url("/data"), {"--offline", "--stale-if-error"}).status == 64);
}

TEST_CASE_METHOD(site, "with --stale-if-error a server that is gone is said, and what is cached is served") {
  write_old_file(root / "data", served_content(), std::chrono::hours(1));
  nginx_server nginx(root.path());
  const std::vector<std::string> refresh = {"--policy", "always", "--attempts", "1", "--stale-if-error"};
  CHECK(get(nginx.url("/data")).status == 0);
  nginx.stop();
  fs::remove(here / "data");
  const tool_result stale = get(nginx.url("/data"), refresh);
  CHECK(stale.status == 0);
  CHECK(has(stale.err, "could not be refreshed (cannot fetch"));
  CHECK((read_file(here / "data") == served_content()));
  CHECK(get(nginx.url("/data"), {"--policy", "always", "--attempts", "1"}).status == 69);
  CHECK(get(nginx.url("/other"), refresh).status == 69);
}

TEST_CASE_METHOD(site, "with --stale-if-error a content of another size than promised is an error all the same") {
  write_old_file(root / "data", "12345", std::chrono::hours(2));
  const nginx_server nginx(root.path());
  write_file(here / "sizes.yaml", "it: {url: '" + nginx.url("/data") + "', size: 5}\n");
  const std::vector<std::string> by_name = {"--catalogue", (here / "sizes.yaml").string(), "--policy", "always",
                                            "--stale-if-error"};
  CHECK(get("it", by_name).status == 0);
  write_old_file(root / "data", "123456", std::chrono::hours(1));
  const tool_result result = get("it", by_name);
  CHECK(result.status == 65);
  CHECK(has(result.err, "5 bytes are promised, but it has 6"));
  CHECK(get(nginx.url("/data"), {"--policy", "always"}).status == 0);
  CHECK(get("it", by_name).status == 65);  // not modified, but not what is promised either
}

TEST_CASE_METHOD(site, "a body that is cut goes on under its tag, and only with the right answer") {
  const misbehaving_server server;
  const auto check = [&](const std::string& path, unsigned requests, const std::string& version = "\"one\"") {
    INFO(path);
    CHECK(get(server.url(path)).status == 0);
    CHECK((read_file(here / "data") == served_content()));
    CHECK(server.next_line() == "GET " + path);
    CHECK(server.next_line() == "GET " + path);
    CHECK(server.next_line() == "Range: bytes=4000- If-Range: " + version);
    CHECK(server.requests() == requests - 2);
  };
  check("/cut", 2);
  check("/cut-ignored", 2);
  for (const char* wrong :
       {"/cut-shifted", "/cut-shorter", "/cut-grown", "/cut-retagged", "/cut-nameless", "/cut-refused"}) {
    check(wrong, 3);
  }
  check("/cut-redated", 3, "Thu, 01 Jan 2015 00:00:00 GMT");
}

TEST_CASE_METHOD(site, "a body under a weak tag is fetched from the beginning again") {
  const misbehaving_server server;
  CHECK(get(server.url("/cut-weak")).status == 0);
  CHECK((read_file(here / "data") == served_content()));
  CHECK(server.next_line() == "GET /cut-weak");
  CHECK(server.next_line() == "GET /cut-weak");
  CHECK(server.next_line() == "Range: None");
}

TEST_CASE_METHOD(site, "a file URL is read again if size, time or inode have changed, and lately changed ones always") {
  const std::string url = "file://" + (here / "source").string();
  const auto unmodified = [&] { return has(get(url, {"--policy", "always"}).err, "not modified at its source"); };
  write_old_file(here / "source", "one", std::chrono::hours(2));
  CHECK_FALSE(unmodified());
  CHECK(unmodified());
  write_old_file(here / "source", "two", std::chrono::hours(1));
  CHECK_FALSE(unmodified());
  CHECK(read_file(here / "data") == "two");
  CHECK(unmodified());
  write_file(here / "source", "now");
  CHECK_FALSE(unmodified());
  CHECK_FALSE(unmodified());  // it could have been changed again without a trace
}
