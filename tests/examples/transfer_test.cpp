// Transfers against servers that behave and servers that don't.

#include "examples/servers.hpp"
#include "support/catch.hpp"

using testing::misbehaving_server;
using testing::nginx_server;
using testing::read_file;
using testing::run_program;
using testing::run_tool;
using testing::scratch_directory;
using testing::served_content;
using testing::tool_result;
using testing::write_file;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// `get` of one URL into `here`/data.
tool_result get(const scratch_directory& here, const std::string& url, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"get", url, "--to", (here / "data").string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  tool_result result = run_tool(here, arguments);
  UNSCOPED_INFO(url << ": " << result.status << "\n" << result.err);
  return result;
}

/// The transfer failed with `status`, and nothing of it is anywhere.
void check_refused(const scratch_directory& here, const tool_result& result, int status, const std::string& reason) {
  INFO(result.err);
  CHECK(result.status == status);
  CHECK(contains(result.err, reason));
  CHECK_FALSE(std::filesystem::exists(here / "data"));
  CHECK(run_tool(here, {"list", "--json"}).out == "[]\n");
}

}  // namespace

TEST_CASE("a data set is fetched from nginx once, and a second get is served by the cache") {
  const scratch_directory root;
  const scratch_directory here;
  write_file(root / "served", served_content());
  const nginx_server nginx(root.path());
  for (const char* name : {"first", "second"}) {
    REQUIRE(run_tool(here, {"get", nginx.url("/served"), "--to", (here / name).string()}).status == 0);
    CHECK((read_file(here / name) == served_content()));
  }
  CHECK(nginx.requests("/served") == 1);
  CHECK(run_tool(here, {"get", nginx.url("/served"), "--policy", "always"}).status == 0);
  CHECK(nginx.requests("/served") == 2);
}

TEST_CASE("redirects of nginx are followed, and its refusals are reported with status and URL") {
  const scratch_directory root;
  const scratch_directory here;
  write_file(root / "served", served_content());
  const nginx_server nginx(root.path());
  check_refused(here, get(here, nginx.url("/nothing")), 66, "HTTP 404");
  check_refused(here, get(here, nginx.url("/gone")), 66, nginx.url("/gone"));
  check_refused(here, get(here, nginx.url("/forbidden")), 77, "HTTP 403");
  CHECK(get(here, nginx.url("/moved")).status == 0);
  CHECK((read_file(here / "data") == served_content()));
}

TEST_CASE("a file URL is read, and what is not a regular file is refused") {
  const scratch_directory here;
  write_file(here / "source", served_content());
  const std::string base = "file://" + here.path().string();
  REQUIRE(run_program({"mkfifo", (here / "fifo").string()}) == 0);
  check_refused(here, get(here, base + "/missing"), 66, "no such file");
  check_refused(here, get(here, base), 66, "not a regular file");
  check_refused(here, get(here, base + "/fifo"), 66, "not a regular file");
  CHECK(get(here, base + "/source").status == 0);
  CHECK((read_file(here / "data") == served_content()));
}

TEST_CASE("a server that fails for a while is asked again, from the beginning") {
  const scratch_directory here;
  const misbehaving_server server;
  SECTION("HTTP 503 twice") {
    CHECK(get(here, server.url("/flaky")).status == 0);
    CHECK(server.requests() == 3);
  }
  SECTION("a truncated body with other bytes first") {
    CHECK(get(here, server.url("/truncated-once")).status == 0);
    CHECK(server.requests() == 2);
  }
  CHECK((read_file(here / "data") == served_content()));
}

TEST_CASE("a server that keeps failing is given up after the attempts allowed") {
  const scratch_directory here;
  const misbehaving_server server;
  check_refused(here, get(here, server.url("/down"), {"--attempts", "2"}), 69, "HTTP 503 (tried 2 times)");
  CHECK(server.requests() == 2);
  check_refused(here, get(here, server.url("/missing")), 66, "HTTP 404");
  CHECK(server.requests() == 1);
}

TEST_CASE("truncated and stalled bodies are errors") {
  const scratch_directory here;
  const misbehaving_server server;
  check_refused(here, get(here, server.url("/truncated"), {"--attempts", "1"}), 69, "4000 bytes remaining");
  check_refused(here, get(here, server.url("/chunked-truncated"), {"--attempts", "1"}), 69, "cannot fetch");
  check_refused(here, get(here, server.url("/stall"), {"--attempts", "1", "--stall-timeout", "1"}), 69, "too slow");
}

TEST_CASE("bodies without a length, and empty ones, are taken as they are") {
  const scratch_directory here;
  const misbehaving_server server;
  CHECK(get(here, server.url("/no-length")).status == 0);
  CHECK((read_file(here / "data") == served_content()));
  CHECK(get(here, server.url("/empty"), {"--overwrite"}).status == 0);
  CHECK(read_file(here / "data").empty());
}

TEST_CASE("redirects end somewhere, and never lead to a file") {
  const scratch_directory here;
  const misbehaving_server server;
  CHECK(get(here, server.url("/moved")).status == 0);
  CHECK((read_file(here / "data") == served_content()));
  const scratch_directory there;
  check_refused(there, get(there, server.url("/loop")), 69, "redirected more than 10 times");
  check_refused(there, get(there, server.url("/to-file")), 69, "from http to file");
}

TEST_CASE("https is verified, and never left by a redirect") {
  const scratch_directory here;
  const std::string certificate = (here / "certificate").string();
  const std::string key = (here / "key").string();
  REQUIRE(testing::capture_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"})
              .status == 0);
  const misbehaving_server secure({certificate, key});
  const misbehaving_server plain;
  check_refused(here, get(here, secure.url("/ok")), 69, "certificate");
  check_refused(here, get(here, secure.url("/to-http?" + plain.url("/ok")), {"--ca-file", certificate}), 69,
                "from https to http");
  CHECK(plain.requests() == 0);
  CHECK(get(here, plain.url("/to-http?" + secure.url("/ok")), {"--ca-file", certificate}).status == 0);
  CHECK((read_file(here / "data") == served_content()));
}

TEST_CASE("content without the promised digest or size never reaches cache or destination") {
  const scratch_directory here;
  const misbehaving_server server;
  check_refused(here, get(here, server.url("/ok"), {"--sha256", std::string(64, '0')}), 65, "digest");
  write_file(here / "sizes.yaml", "short: {url: '" + server.url("/ok") + "', size: 7999}\n" + "endless: {url: '" +
                                      server.url("/endless") + "', size: 100000}\n");
  const std::string catalogue = (here / "sizes.yaml").string();
  for (const char* name : {"short", "endless"}) {
    const tool_result result = get(here, name, {"--catalogue", catalogue});
    CHECK(result.status == 65);
    CHECK(contains(result.err, "bytes are promised"));
    CHECK_FALSE(std::filesystem::exists(here / "data"));
  }
}
