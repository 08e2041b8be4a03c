/// What a tree can hold that makes removing or copying it dangerous to what lies outside, or to what is secret.
///
/// Seen to fail: with a removal that enters mounts (the mounted files were gone), with copies that keep set-ID bits, with
/// copied directories that are closed only at the end, without opening up a root that its owner may not list.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/error.hpp>
#include <lockkit/publish_directory.hpp>
#include <lockkit/staged_file.hpp>

#include "fs/tree_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::scratch_directory;
using testing::write_file;
namespace fs = std::filesystem;

namespace {

/// What lies elsewhere, shown in a tree as well.
class bound {
 public:
  bound(const fs::path& from, const fs::path& to)
      : to_(to), mounted_(::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0) {}
  ~bound() { end(); }
  bound(const bound&) = delete;
  bound& operator=(const bound&) = delete;
  explicit operator bool() const { return mounted_; }
  void moved_to(fs::path to) { to_ = std::move(to); }
  void end() {
    if (mounted_) CHECK(::umount2(to_.c_str(), MNT_DETACH) == 0);
    mounted_ = false;
  }

 private:
  fs::path to_;
  bool mounted_;
};

fs::path hidden_in(const scratch_directory& place) {
  for (const std::string& name : place.names()) {
    if (name.ends_with(".lkd")) return place / name;
  }
  return {};
}

std::size_t sweep_now(const fs::path& directory, std::error_code& ec) {
  return sweep_staged(directory, std::chrono::seconds(0), ec);
}

void publish_one_file(const fs::path& target, const std::string& text, directory_publish_options options = {}) {
  publish_directory(
      target, [&](const fs::path& staged) { write_file(staged / "f", text); }, durability::visible, options);
}

constexpr const char* not_permitted = "mounting is not permitted here";

}  // namespace

TEST_CASE("what is mounted inside a tree is never removed with it: not when replaced, and not by a sweep") {
  const scratch_directory place;
  fs::create_directories(place / "elsewhere/sub");
  write_file(place / "elsewhere/sub/precious", "kept");
  publish_one_file(place / "d", "first");
  fs::create_directories(place / "d/a/mount");
  bound mount(place / "elsewhere", place / "d/a/mount");
  if (!mount) {
    WARN(not_permitted);
    return;
  }
  publish_one_file(place / "d", "second");
  const fs::path old = hidden_in(place);
  mount.moved_to(old / "a/mount");
  CHECK(testing::read_file(place / "elsewhere/sub/precious") == "kept");
  CHECK(testing::read_file(place / "d/f") == "second");
  std::error_code ec;
  CHECK(sweep_now(place.path(), ec) == 0);
  CHECK(ec == std::errc::device_or_resource_busy);
  CHECK(testing::read_file(place / "elsewhere/sub/precious") == "kept");
  mount.end();
  CHECK(sweep_now(place.path(), ec) == 1);
  CHECK(place.names() == std::set<std::string>{"d", "elsewhere"});
}

TEST_CASE("what is mounted into a tree that is being filled survives its end") {
  const scratch_directory place;
  fs::create_directory(place / "elsewhere");
  write_file(place / "elsewhere/precious", "kept");
  staged_directory staged(place / "d");
  fs::create_directory(staged.path() / "mount");
  bound mount(place / "elsewhere", staged.path() / "mount");
  if (!mount) {
    WARN(not_permitted);
    return;
  }
  staged.discard();
  CHECK(testing::read_file(place / "elsewhere/precious") == "kept");
}

TEST_CASE("what is mounted over a version of the linked layout is not removed in its place") {
  const scratch_directory place;
  fs::create_directory(place / "elsewhere");
  write_file(place / "elsewhere/precious", "kept");
  publish_one_file(place / "d", "first", {.layout = directory_layout::linked});
  const fs::path version = place / fs::read_symlink(place / "d");
  bound mount(place / "elsewhere", version);
  if (!mount) {
    WARN(not_permitted);
    return;
  }
  publish_one_file(place / "d", "second", {.layout = directory_layout::linked});
  std::error_code ec;
  static_cast<void>(sweep_now(place.path(), ec));
  CHECK(testing::read_file(place / "elsewhere/precious") == "kept");
  mount.end();
  CHECK(sweep_now(place.path(), ec) == 1);
}

TEST_CASE("a copied program does not run as whoever copied it") {
  if (::geteuid() != 0) {
    WARN("only root can give files away");
    return;
  }
  const scratch_directory place;
  fs::create_directory(place / "source");
  write_file(place / "source/theirs", "#!");
  write_file(place / "source/own", "#!");
  REQUIRE(::chown((place / "source/theirs").c_str(), 1000, 1000) == 0);
  for (const char* name : {"theirs", "own"}) fs::permissions(place / "source" / name, fs::perms(06755));
  publish_directory_copy(place / "source", place / "d", durability::visible);
  CHECK(fs::status(place / "d/theirs").permissions() == fs::perms(0755));
  CHECK(fs::status(place / "d/own").permissions() == fs::perms(06755));
}

TEST_CASE("a tree whose root its owner may not list is removed like any other") {
  const scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  testing::child_process child([&] {
    if (::geteuid() == 0 && (::setgid(1000) != 0 || ::setuid(1000) != 0)) return 98;
    for (const char* text : {"first", "second", "third"}) {
      publish_one_file(place / "d", text, {.permissions = fs::perms(0311)});
    }
    return testing::read_file(place / "d/f") == "third" ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(place.names() == std::set<std::string>{"d"});
}

TEST_CASE("a tree is not copied into itself") {
  const scratch_directory place;
  fs::create_directory(place / "source");
  write_file(place / "source/f", "text");
  std::error_code ec;
  publish_directory_copy(place / "source", place / "source/d", durability::visible, {}, ec);
  CHECK(ec == std::errc::invalid_argument);
  CHECK(std::distance(fs::directory_iterator(place / "source"), fs::directory_iterator()) == 1);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("what a private directory of a tree holds is private in its copy, at every moment") {
  const scratch_directory place;
  fs::create_directories(place / "source/private");
  write_file(place / "source/private/key", "secret");
  fs::permissions(place / "source/private", fs::perms(0700));
  const fs::path source = place / "source";
  platform::fault::start_recording();
  publish_directory_copy(source, place / "d", durability::visible);
  const std::size_t calls = platform::fault::stop_recording().size();
  for (std::size_t i = 1; i <= calls; ++i) {
    fs::remove_all(place / "d");
    testing::child_process killed([&] {
      platform::fault::arm({.what = platform::fault::action::die, .nth = i});
      publish_directory_copy(source, place / "d", durability::visible);
      return 0;
    });
    static_cast<void>(killed.wait());
    const fs::path copy = hidden_in(place);
    INFO("killed at call " << i << " of " << calls);
    if (!copy.empty() && fs::exists(copy / "private/key")) {
      CHECK((fs::status(copy / "private").permissions() & fs::perms(0077)) == fs::perms::none);
    }
    if (!copy.empty()) fs::remove_all(copy);
  }
}
#endif
