// The catalogue, and what names in it may do.

#include "examples/servers.hpp"
#include "support/catch.hpp"

using testing::read_file;
using testing::run_tool;
using testing::scratch_directory;
using testing::tool_result;
using testing::write_file;

namespace {

/// `list` with a catalogue of this text.
tool_result list_with(const scratch_directory& here, const std::string& text) {
  write_file(here / "catalogue.yaml", text);
  return run_tool(here, {"list", "--catalogue", (here / "catalogue.yaml").string()});
}

}  // namespace

TEST_CASE("a wrong catalogue is refused with file, line and what is expected") {
  struct wrong {
    std::string text;
    std::string place;
    std::string reason;
  };
  const std::string good = "a:\n  url: https://example.org/a\n";
  const auto [text, place, reason] = GENERATE_COPY(values<wrong>({
      {"", ":1", "expected a map"},
      {"- a\n", ":1", "expected a map"},
      {"a: [", ":", "not YAML"},
      {good + "  colour: red\n", ":3", "unknown property 'colour'; expected url, sha256, size, description or unpack"},
      {good + good, ":3", "the name 'a' stands here a second time"},
      {good + "  url: https://example.org/b\n", ":3", "'url' stands here a second time"},
      {good + "b:\n  size: 7\n", ":3", "'b' has no url"},
      {good + "b: https://example.org/b\n", ":3", "expected properties of 'b'"},
      {good + "  sha256: 12ab\n", ":3", "64 hexadecimal digits"},
      {good + "  size: large\n", ":3", "expected a number of bytes"},
      {good + "  size: -1\n", ":3", "expected a number of bytes"},
      {good + "  description: [a, b]\n", ":3", "expected a text"},
      {good + "  unpack: perhaps\n", ":3", "expected true or false"},
      {good + "../b:\n  url: https://example.org/b\n", ":3", "expected a name"},
      {"a:\n  url: [1]\n", ":2", "expected an absolute https, http or file URL"},
      {"a:\n  url: ftp://example.org/a\n", ":2", "'ftp' is not supported"},
      {"a:\n  url: https://me:secret@example.org/a\n", ":2", "password"},
  }));
  const scratch_directory here;
  const tool_result result = list_with(here, text);
  INFO(text << result.err);
  CHECK(result.status == 65);
  CHECK(result.err.find("catalogue.yaml" + place) != std::string::npos);
  CHECK(result.err.find(reason) != std::string::npos);
}

TEST_CASE("a catalogue that can't be read, a name it does not have, and a name without one are told apart") {
  const scratch_directory here;
  write_file(here / "c.yaml", "a:\n  url: https://example.org/a\n");
  const std::string file = (here / "c.yaml").string();
  CHECK(run_tool(here, {"list", "--catalogue", (here / "none").string()}).status == 66);
  CHECK(run_tool(here, {"list", "--catalogue", here.path().string()}).status == 66);
  REQUIRE(testing::run_program({"mkfifo", (here / "fifo").string()}) == 0);
  CHECK(run_tool(here, {"list", "--catalogue", (here / "fifo").string()}).status == 66);
  CHECK(run_tool(here, {"get", "b", "--catalogue", file}).status == 66);
  CHECK(run_tool(here, {"get", "a"}).status == 64);
}

TEST_CASE("names of the catalogue bring size and digest with them") {
  const scratch_directory here;
  write_file(here / "source", "abc");
  const std::string url = "url: 'file://" + here.path().string() + "/source'";
  const std::string digest = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
  write_file(here / "c.yaml", "right: {" + url + ", sha256: " + digest + ", size: 3, description: abc}\n" + "wrong: {" +
                                  url + ", sha256: " + std::string(64, '1') + "}\n");
  const std::string file = (here / "c.yaml").string();
  CHECK(run_tool(here, {"get", "wrong", "--catalogue", file}).status == 65);
  CHECK(run_tool(here, {"get", "right", "--catalogue", file, "--sha256", std::string(64, '1')}).status == 65);
  const tool_result right = run_tool(here, {"get", "right", "--catalogue", file});
  INFO(right.err);
  CHECK(right.status == 0);
  CHECK(read_file(right.out.substr(0, right.out.size() - 1)) == "abc");
}

TEST_CASE("the name of a mirror comes from the URL and never leaves its directory") {
  struct pair {
    std::string component;
    std::string name;
  };
  const auto [component, name] = GENERATE(values<pair>(
      {{"plain.txt", "plain.txt"}, {".hidden", "_hidden"}, {"-rf", "_rf"}, {"with space&more", "with_space_more"}}));
  const scratch_directory here;
  const scratch_directory there;
  write_file(here / component, "abc");
  std::string escaped = component;
  for (auto at = escaped.find(' '); at != std::string::npos; at = escaped.find(' ')) escaped.replace(at, 1, "%20");
  const std::string url = "file://" + here.path().string() + "/" + escaped;
  const tool_result result = run_tool(here, {"get", url, "--to", there.path().string()});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(there.names() == std::set<std::string>{name});
}
