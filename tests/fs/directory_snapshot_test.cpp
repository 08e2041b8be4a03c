/// Reading one version of a tree while others are published, by processes that really run beside each other.
///
/// Seen to fail: without the reader's lock (files missing), without the comparison after it, with a removal that does not
/// ask for the exclusive lock.
#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include <lockkit/error.hpp>
#include <lockkit/publish_directory.hpp>
#include <lockkit/staged_file.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "fs/tree_testing.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::fill_tree;
using testing::scratch_directory;
using testing::version_of;
namespace fs = std::filesystem;

namespace {

constexpr directory_layout both_layouts[] = {directory_layout::in_place, directory_layout::linked};

void publish_version(const fs::path& target, const std::string& version,
                     const directory_publish_options& options = {}) {
  publish_directory(target, [&](const fs::path& staged) { fill_tree(staged, version); }, durability::visible, options);
}

std::size_t sweep_now(const fs::path& directory) {
  std::error_code ec;
  return sweep_staged(directory, std::chrono::seconds(0), ec);
}

bool is_whole(const directory_snapshot& snapshot) {
  const std::string text = snapshot.read("a");
  const std::string version = text.substr(0, text.find('\n'));
  for (const auto& file : testing::tree_files) {
    if (snapshot.read(file) != testing::file_of_version(version)) return false;
  }
  return version_of(snapshot.path()) == version;
}

/// Snapshots taken until told to end; 0 if every one of them was whole.
int read_until(const testing::signal_pipe& done, const fs::path& target) {
  for (int rounds = 0; rounds == 0 || !done.ready(0); ++rounds) {
    if (!is_whole(directory_snapshot(target))) return 1;
  }
  return 0;
}

}  // namespace

TEST_CASE("a snapshot keeps its version whole, whatever is published and swept, and the sweep gets it afterwards") {
  for (const directory_layout layout : both_layouts) {
    const scratch_directory place;
    const fs::path target = place / "d";
    publish_version(target, "first", {.layout = layout});
    {
      const directory_snapshot snapshot(target);
      CHECK(snapshot.is_current());
      publish_version(target, "second", {.layout = layout});
      publish_version(target, "third", {.layout = layout});
      CHECK(sweep_now(place.path()) == 0);
      CHECK_FALSE(snapshot.is_current());
      CHECK(snapshot.read("sub/deep/d") == testing::file_of_version("first"));
      CHECK(version_of(snapshot.path()) == "first");
      CHECK(directory_snapshot(target).read("a") == testing::file_of_version("third"));
      CHECK(::fcntl(snapshot.native_handle(), F_GETFD) == FD_CLOEXEC);
    }
    CHECK(sweep_now(place.path()) == 1);
    CHECK(place.names().size() == (layout == directory_layout::linked ? 2 : 1));
  }
}

TEST_CASE("a snapshot's child process, and its end, keep nothing and lose nothing") {
  const scratch_directory place;
  const fs::path target = place / "d";
  publish_version(target, "first");
  auto snapshot = std::make_unique<directory_snapshot>(target);
  const testing::signal_pipe gave_up;
  const testing::signal_pipe go_on;
  testing::child_process child([&] {
    directory_snapshot another = std::move(*snapshot);
    const bool read = another.read("a") == testing::file_of_version("first");
    another = directory_snapshot(place.path());  // closes the inherited one
    gave_up.send();
    go_on.receive();
    return read ? 0 : 1;
  });
  gave_up.receive();
  publish_version(target, "second");
  CHECK(snapshot->read("b") == testing::file_of_version("first"));
  snapshot.reset();
  CHECK(sweep_now(place.path()) == 1);  // though the child lives
  go_on.send();
  CHECK(child.wait() == 0);
}

TEST_CASE("names that lead out of a snapshot are refused, and what is not there is an error") {
  const scratch_directory place;
  publish_version(place / "d", "first");
  const directory_snapshot snapshot(place / "d");
  std::error_code ec;
  for (const char* name : {"", "/etc/passwd", "../x", "sub/../../x"}) {
    CHECK(snapshot.read(name, ec).empty());
    CHECK(ec == errc::invalid_name);
  }
  CHECK(snapshot.read("no", ec).empty());
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK_THROWS_AS(snapshot.read("sub"), lockkit::error);
  const directory_snapshot missing(place / "no", ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK(missing.native_handle() == -1);
  CHECK(missing.path().empty());
}

TEST_CASE("readers by snapshot meet neither a mix nor a gap while others publish and sweep all the time") {
  for (const directory_layout layout : both_layouts) {
    const scratch_directory place(testing::memory_directory());
    const fs::path target = place / "d";
    publish_version(target, "begin", {.layout = layout});
    const testing::signal_pipe done;
    std::vector<testing::child_process> others;
    for (int i = 0; i < 2; ++i) others.emplace_back([&] { return read_until(done, target); });
    others.emplace_back([&] {
      while (!done.ready(0)) sweep_now(place.path());
      return 0;
    });
    others.emplace_back([&] {
      for (int i = 0; !done.ready(0); ++i) publish_version(target, "x" + std::to_string(i), {.layout = layout});
      return 0;
    });
    const int rounds = std::getenv("LOCKKIT_TEST_LONG") == nullptr ? 150 : 5000;
    for (int i = 0; i < rounds; ++i) publish_version(target, "y" + std::to_string(i), {.layout = layout});
    done.send();
    for (auto& other : others) CHECK(other.wait() == 0);
    sweep_now(place.path());
    CHECK(place.names().size() == (layout == directory_layout::linked ? 2 : 1));
  }
}

TEST_CASE("a killed publisher's tree is swept, a living one's and those of other names are not") {
  const scratch_directory place;
  const staged_directory living(place / "living");
  fill_tree(living.path(), "living");
  testing::child_process dead([&] {
    const staged_directory staged(place / "dead");
    fill_tree(staged.path(), "dead");
    ::_exit(0);
    return 0;
  });
  CHECK(dead.wait() == 0);
  fs::create_directory(place / ".d.lkd");
  testing::write_file(place / ".d.aaaaaaaaaaaaaaaaaaaaaaaaaa.lkd", "a file");
  CHECK(place.names().size() == 4);
  CHECK(sweep_leftovers(place.path()).empty());  // too young: its maker could be on his way to the lock
  const auto told = sweep_leftovers(place.path(), {.dry_run = true, .minimum_age = std::chrono::seconds(0)});
  CHECK(told.size() == 1);
  CHECK(place.names().size() == 4);
  const auto found = sweep_leftovers(place.path(), {.minimum_age = std::chrono::seconds(0)});
  REQUIRE(found.size() == 1);
  CHECK(found.front().kind == leftover_kind::staged_directory);
  CHECK(place.names().size() == 3);
  CHECK(version_of(living.path()) == "living");
}

TEST_CASE("a sweep does not remove a version that a link leads to, and removes a link that was never turned") {
  const scratch_directory place;
  publish_version(place / "d", "first", {.layout = directory_layout::linked});
  const fs::path never_turned = place / ".d.aaaaaaaaaaaaaaaaaaaaaaaaaa.lkd";
  fs::create_symlink(fs::read_symlink(place / "d"), never_turned);
  CHECK(sweep_now(place.path()) == 1);
  CHECK_FALSE(fs::exists(fs::symlink_status(never_turned)));
  CHECK(version_of(place / "d") == "first");
  fs::remove(place / "d");
  CHECK(sweep_now(place.path()) == 1);
  CHECK(place.names().empty());
}

TEST_CASE("a tree is removed although others still fill it, and nothing outside of it goes") {
  const scratch_directory place;
  testing::write_file(place / "outside", "kept");
  const fs::path dead = place / ".d.aaaaaaaaaaaaaaaaaaaaaaaaaa.lkd";
  fill_tree(dead, "dead");
  fs::create_symlink(place.path(), dead / "sub" / "up");
  const testing::signal_pipe done;
  testing::child_process filler([&] {
    for (int i = 0; i < 300 && !done.ready(0); ++i) {
      std::error_code ignored;
      const fs::path name = dead / "sub" / "deep" / std::to_string(i);
      i % 2 == 0 ? static_cast<void>(fs::create_directory(name, ignored)) : std::ofstream(name).close();
    }
    return 0;
  });
  for (int i = 0; i < 100 && fs::exists(dead); ++i) sweep_now(place.path());
  done.send();
  CHECK(filler.wait() == 0);
  sweep_now(place.path());
  CHECK(place.names() == std::set<std::string>{"outside"});
}
