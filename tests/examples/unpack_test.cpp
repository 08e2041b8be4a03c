/// Archives that become directories: of every kind, hostile, damaged, too large, and whose directory is somebody else's.
///
/// Seen to fail: without the rules of links and of "..", following links on the way, without the count of what is written,
/// with set-user-ID kept, with a plain look at the destination instead of the publication's own refusal.
#include <sys/stat.h>

#include <csignal>

#include "examples/servers.hpp"
#include "support/catch.hpp"

using testing::read_file;
using testing::run_tool;
using testing::running_tool;
using testing::scratch_directory;
using testing::tool_result;
using testing::write_file;

namespace fs = std::filesystem;

namespace {

/// A scratch directory with the archives of archives.py in "archives".
class archive_place {
 public:
  archive_place() {
    fs::create_directory(here / "archives");
    REQUIRE(testing::run_program({"python3", "-B", LOCKKIT_TEST_ARCHIVES, (here / "archives").string()}) == 0);
  }
  [[nodiscard]] std::string url(const std::string& name) const {
    return "file://" + (here / "archives" / name).string();
  }
  tool_result get(const std::string& name, const fs::path& to, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"get", url(name), "--unpack", to.string()};
    command.insert(command.end(), more.begin(), more.end());
    return run_tool(here, command);
  }
  /// Everything in the scratch directory but the archives and the cache.
  [[nodiscard]] std::set<std::string> others() const {
    std::set<std::string> names = here.names();
    std::erase_if(names, [](const std::string& name) {
      return name == "archives" || name == "cache" || name.starts_with("output-");
    });
    return names;
  }

  const scratch_directory here{testing::memory_directory()};
};

}  // namespace

TEST_CASE("archives of every kind become a directory, with their names, links, modes and times") {
  const archive_place place;
  for (const char* name : {"good.tar", "good.tar.gz", "good.tar.xz", "good.tar.bz2", "good.tar.zst"}) {
    const fs::path to = place.here / "new" / (std::string(name) + ".d");
    const tool_result result = place.get(name, to);
    INFO(name << ": " << result.err);
    CHECK(result.status == 0);
    CHECK(result.out == to.string() + "\n");
    CHECK(read_file(to / "set/data.txt") == "data, corrected\n");
    CHECK(read_file(to / "set/größe") == "naïve\n");
    CHECK(read_file(to / "set/deep/link") == "data, corrected\n");
    CHECK(read_file(to / "set/hard") == "data\n");  // the member that had that name before
    CHECK(fs::file_size(to / "set/large") == 256 * 2000);
    struct stat script{};
    REQUIRE(::stat((to / "set/run.sh").c_str(), &script) == 0);
    CHECK((script.st_mode & 07777) == 0755);  // not 04755
    CHECK(script.st_mtim.tv_sec == 1'000'000'000);
    CHECK((fs::status(to / "set").permissions() & fs::perms::owner_all) == fs::perms::owner_all);
  }
  const fs::path zipped = place.here / "zipped";
  CHECK(place.get("good.zip", zipped).status == 0);
  CHECK(read_file(zipped / "set/data.txt") == "data, corrected\n");
  CHECK(read_file(zipped / "set/größe") == "naïve\n");
}

TEST_CASE("a hostile archive unpacks nothing, inside or outside, and the message names the member") {
  const archive_place place;
  const std::vector<std::pair<std::string, std::string>> hostile = {{"absolute.tar.gz", "/tmp/lockkit-escaped"},
                                                                    {"dots.tar.gz", "set/../../escaped"},
                                                                    {"through-link.tar.gz", "set/out"},
                                                                    {"through-inner-link.tar.gz", "set/c"},
                                                                    {"link-absolute.tar.gz", "passwd"},
                                                                    {"link-dots.tar.gz", "set/link"},
                                                                    {"link-through-link.tar.gz", "escape"},
                                                                    {"hard-link-out.tar.gz", "../outside"},
                                                                    {"hard-link-absolute.tar.gz", "/etc/passwd"},
                                                                    {"hard-link-to-link.tar.gz", "hard"},
                                                                    {"device.tar.gz", "null"},
                                                                    {"fifo.tar.gz", "fifo"},
                                                                    {"file-as-directory.tar.gz", "a/b"},
                                                                    {"directory-as-file.tar.gz", "a"},
                                                                    {"note.tar.gz", ".dataset_cache"},
                                                                    {"long-name.tar.gz", "d/d/d/d/d/d/d"},
                                                                    {"empty.tar.gz", "empty"},
                                                                    {"zip-dots.zip", "../escaped"}};
  write_file(place.here / "outside", "kept");
  for (const auto& [name, says] : hostile) {
    const tool_result result = place.get("hostile-" + name, place.here / "to");
    INFO(name << ": " << result.err);
    CHECK(result.status == 65);
    CHECK(result.err.find(says) != std::string::npos);
    CHECK(result.err.find("nothing was") != std::string::npos);
    CHECK(result.out.empty());
    CHECK(place.others() == std::set<std::string>{"outside"});
    CHECK_FALSE(fs::exists("/tmp/lockkit-escaped"));
  }
  CHECK(fs::hard_link_count(place.here / "outside") == 1);
}

TEST_CASE("a damaged archive, or what is none, unpacks nothing and leaves what is there") {
  const archive_place place;
  REQUIRE(place.get("good.tar.gz", place.here / "to").status == 0);
  for (const char* name : {"truncated-1.tar.gz", "truncated-2.tar.gz", "truncated-3.tar.gz", "truncated.zip",
                           "damaged.zip", "text.tar.gz"}) {
    for (const char* to : {"to", "absent"}) {
      const tool_result result = place.get(name, place.here / to, {"--overwrite"});
      INFO(name << ": " << result.err);
      CHECK(result.status == 65);
    }
    CHECK(place.others() == std::set<std::string>{"to"});
    CHECK(read_file(place.here / "to/set/data.txt") == "data, corrected\n");
  }
}

TEST_CASE("what an archive may hold is limited, in bytes and in members") {
  const archive_place place;
  for (const char* name : {"bomb.tar.xz", "many.tar.gz"}) {
    const tool_result refused = place.get(name, place.here / "to", {"--unpack-limit", "1MB"});
    INFO(refused.err);
    CHECK(refused.status == 65);
    CHECK(refused.err.find("--unpack-limit") != std::string::npos);
    CHECK(place.others().empty());
    CHECK(place.get(name, place.here / name, {"--unpack-limit", "30MB"}).status == 0);
    fs::remove_all(place.here / name);
  }
  const tool_result refused = place.get("deep.tar.gz", place.here / "to", {"--unpack-limit", "500KB"});
  CHECK(refused.status == 65);  // one member, but 2000 directories on the way to it
  CHECK(place.others().empty());
}

TEST_CASE("the same archive is not unpacked twice, another is refused, and replaces the directory when asked to") {
  const archive_place place;
  const fs::path to = place.here / "to";
  REQUIRE(place.get("good.tar.gz", to).status == 0);
  write_file(to / "mine", "kept");
  const tool_result again = place.get("good.tar.gz", to);
  CHECK(again.status == 0);
  CHECK(again.err.find("unpacked already") != std::string::npos);
  CHECK(read_file(to / "mine") == "kept");
  const tool_result other = place.get("other.tar.gz", to);
  INFO(other.err);
  CHECK(other.status == 73);
  CHECK(other.err.find(to.string()) != std::string::npos);
  CHECK(read_file(to / "set/data.txt") == "data, corrected\n");
  CHECK(place.get("other.tar.gz", to, {"--overwrite"}).status == 0);
  CHECK(read_file(to / "set/data.txt") == "other\n");
  CHECK_FALSE(fs::exists(to / "set/large"));
  CHECK(place.others() == std::set<std::string>{"to"});
}

TEST_CASE(
    "only an empty directory makes way for an archive; a file or a link stays, even when overwriting is asked for") {
  const archive_place place;
  fs::create_directory(place.here / "empty");
  CHECK(place.get("good.tar.gz", place.here / "empty").status == 0);
  CHECK(read_file(place.here / "empty/set/data.txt") == "data, corrected\n");
  write_file(place.here / "file", "kept");
  fs::create_directory(place.here / "full");
  write_file(place.here / "full/mine", "kept");
  fs::create_directory_symlink("full", place.here / "link");
  for (const char* name : {"file", "full", "link"}) {
    CHECK(place.get("good.tar.gz", place.here / name).status == 73);
    if (std::string_view(name) != "full") {
      CHECK(place.get("good.tar.gz", place.here / name, {"--overwrite"}).status == 73);
    }
  }
  CHECK(read_file(place.here / "file") == "kept");
  CHECK(read_file(place.here / "link/mine") == "kept");
}

TEST_CASE("a catalogue says what is an archive, and several become directories in one") {
  const archive_place place;
  write_file(place.here / "c.yaml", "one: {url: '" + place.url("good.tar.gz") + "', unpack: true}\ntwo: {url: '" +
                                        place.url("other.tar.gz") + "', unpack: true}\nplain: {url: '" +
                                        place.url("text.tar.gz") + "'}\n");
  const std::string file = (place.here / "c.yaml").string();
  const std::string to = (place.here / "all").string();
  for (int round = 0; round < 2; ++round) {
    const tool_result all = run_tool(place.here, {"get", "one", "two", "plain", "--catalogue", file, "--to", to});
    INFO(all.err);
    CHECK(all.status == 0);
    CHECK(all.out == to + "/one\n" + to + "/two\n" + to + "/text.tar.gz\n");
    const tool_result single = run_tool(place.here, {"get", "one", "--catalogue", file, "--to", to + "-one"});
    CHECK(single.out == to + "-one\n");
  }
  CHECK(read_file(place.here / "all/one/set/data.txt") == "data, corrected\n");
  CHECK(read_file(place.here / "all/two/set/data.txt") == "other\n");
  CHECK(read_file(place.here / "all-one/set/data.txt") == "data, corrected\n");
  CHECK(run_tool(place.here, {"get", "one", "two", "--catalogue", file, "--unpack", to}).status == 64);
  CHECK(run_tool(place.here, {"get", "one", "--catalogue", file, "--unpack", to, "--to", to}).status == 64);
}

TEST_CASE("killed while it unpacks, nothing stands at the directory, and the next one unpacks it") {
  const archive_place place;
  const fs::path to = place.here / "to";
  for (int round = 0; round < 6; ++round) {
    running_tool tool(place.here, {"get", place.url("bomb.tar.xz"), "--unpack", to.string()});
    const auto staged = [&] {
      const auto names = place.here.names();
      return std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".lkd"); });
    };
    const bool begun = testing::eventually([&] { return staged() || fs::exists(to); });
    tool.signal(round % 2 == 0 ? SIGKILL : SIGTERM);
    const int status = tool.wait().status;
    CHECK(begun);
    if (fs::exists(to)) CHECK(fs::file_size(to / "zeros") == 8'000'000);
    if (status == 143) CHECK_FALSE(staged());  // SIGTERM: it cleans up by itself
    fs::remove_all(to);
    for (const std::string& name : place.here.names()) {
      if (name.ends_with(".lkd")) fs::remove_all(place.here / name);  // younger than a minute
    }
  }
  CHECK(place.get("bomb.tar.xz", to).status == 0);
}

TEST_CASE("processes that unpack one archive at one place at once all succeed, and it is whole") {
  const archive_place place;
  const fs::path to = place.here / "to";
  std::vector<testing::child_process> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&, i] {
      const scratch_directory own;
      fs::create_directory(own / std::to_string(i));
      return run_tool(own, {"get", place.url("good.tar.gz"), "--unpack", to.string()}).status;
    });
  }
  for (auto& each : all) CHECK(each.wait() == 0);
  CHECK(read_file(to / "set/data.txt") == "data, corrected\n");
  CHECK(place.others() == std::set<std::string>{"to"});
}
