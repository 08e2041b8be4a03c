/// Publishing a directory: what stands at the target before, between and after.
///
/// Seen to fail: with a plain rename for if_absent (an empty directory was replaced), with the exchange of anything that
/// stands there, without the check of the process, without O_NONBLOCK and the look at the kind of file.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>
#include <lockkit/publish_directory.hpp>
#include <lockkit/staged_file.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "fs/tree_testing.hpp"
#include "platform/fault.hpp"
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
constexpr durability every_level[] = {durability::visible, durability::consistent, durability::durable,
                                      durability::durable_path};

publish_result publish_version(const fs::path& target, const std::string& version, durability level,
                               directory_publish_options options = {}) {
  return publish_directory(target, [&](const fs::path& staged) { fill_tree(staged, version); }, level, options);
}

std::error_code commit_code(staged_directory& staged, durability level = durability::consistent) {
  std::error_code ec;
  staged.commit(level, ec);
  return ec;
}

void make_special_files(const fs::path& root) {
  REQUIRE(::mkfifo((root / "fifo").c_str(), 0600) == 0);
  REQUIRE(::mkfifo((root / "sub" / "fifo").c_str(), 0600) == 0);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = root / "socket";
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(listener);
}

}  // namespace

TEST_CASE("a directory is published whole, new or replaced, by either layout and at every level") {
  for (const directory_layout layout : both_layouts) {
    for (const durability level : every_level) {
      const scratch_directory place;
      const fs::path target = place / "d";
      CHECK(publish_version(target, "first", level, {.layout = layout}) == publish_result::published);
      CHECK(version_of(target) == "first");
      CHECK(publish_version(target, "second", level, {.layout = layout}) == publish_result::published);
      CHECK(version_of(target) == "second");
      CHECK(place.names().size() == (layout == directory_layout::linked ? 2 : 1));  // the old tree is gone
      CHECK(fs::is_symlink(target) == (layout == directory_layout::linked));
    }
  }
}

TEST_CASE("if absent, nothing that stands there is replaced: not an empty directory, a file or a dangling link") {
  for (const directory_layout layout : both_layouts) {
    const scratch_directory place;
    fs::create_directory(place / "empty");
    fill_tree(place / "full", "old");
    testing::write_file(place / "file", "kept");
    fs::create_symlink("nowhere", place / "link");
    const auto before = place.names();
    for (const char* name : {"empty", "full", "file", "link"}) {
      INFO(name);
      const publish_result result = publish_version(place / name, "new", durability::consistent,
                                                    {.mode = publish_mode::if_absent, .layout = layout});
      CHECK(result == publish_result::already_exists);
    }
    CHECK(place.names() == before);
    CHECK(fs::is_empty(place / "empty"));
    CHECK(version_of(place / "full") == "old");
    CHECK(publish_version(place / "d", "new", durability::durable,
                          {.mode = publish_mode::if_absent, .layout = layout}) == publish_result::published);
    CHECK(version_of(place / "d") == "new");
  }
}

TEST_CASE("replacing leaves what is not the layout's own kind alone, and says so") {
  const scratch_directory place;
  testing::write_file(place / "file", "kept");
  fill_tree(place / "elsewhere", "kept");
  fs::create_symlink("elsewhere", place / "link");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  const auto refuses = [&](const char* name, directory_layout layout) {
    INFO(name);
    const auto before = place.names();
    staged_directory staged(place / name, {.layout = layout});
    fill_tree(staged.path(), "new");
    CHECK(commit_code(staged) == std::errc::not_a_directory);
    CHECK(place.names() == before);
  };
  for (const char* name : {"file", "link", "fifo"}) refuses(name, directory_layout::in_place);
  for (const char* name : {"file", "link", "fifo", "elsewhere"}) refuses(name, directory_layout::linked);
  CHECK(testing::read_file(place / "file") == "kept");
  CHECK(version_of(place / "link") == "kept");
}

TEST_CASE("a staged directory lies hidden beside its target, and goes when nobody commits it") {
  const scratch_directory place;
  {
    staged_directory staged(place / "d");
    CHECK(staged.path().parent_path() == place.path());
    CHECK(staged.target() == place / "d");
    const std::string name = staged.path().filename();
    CHECK((name.starts_with(".d.") && name.ends_with(".lkd")));
    CHECK(::fcntl(staged.native_handle(), F_GETFD) == FD_CLOEXEC);
    fill_tree(staged.path(), "unfinished");
    CHECK_FALSE(fs::exists(place / "d"));
  }
  CHECK(place.names().empty());
}

TEST_CASE("a staged directory is committed once, and by the process that made it") {
  const scratch_directory place;
  staged_directory staged(place / "d");
  fill_tree(staged.path(), "one");
  testing::child_process child([&] {
    const std::error_code ec = commit_code(staged);
    staged.discard();
    return ec == std::errc::operation_not_permitted ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(version_of(staged.path()) == "one");
  CHECK_FALSE(commit_code(staged));
  CHECK(commit_code(staged) == std::errc::bad_file_descriptor);
  CHECK(staged.native_handle() == -1);
  CHECK(staged.path().empty());
  CHECK(version_of(place / "d") == "one");
  CHECK_THROWS_AS(staged.commit(), lockkit::error);
}

TEST_CASE("a moved staged directory takes its tree along, and assigning removes what the target had") {
  const scratch_directory place;
  staged_directory first(place / "first");
  staged_directory second(place / "second");
  fill_tree(second.path(), "two");
  const fs::path had = first.path();
  first = std::move(second);
  CHECK_FALSE(fs::exists(had));
  CHECK(second.path().empty());  // NOLINT(bugprone-use-after-move)
  CHECK(second.native_handle() == -1);
  CHECK(commit_code(second) == std::errc::bad_file_descriptor);
  CHECK_FALSE(commit_code(first));
  CHECK(version_of(place / "second") == "two");
  CHECK(place.names() == std::set<std::string>{"second"});
}

TEST_CASE("names that can't be are refused before anything is made") {
  const scratch_directory place;
  for (const char* name : {"", "d/", ".", "..", ".d.aaaaaaaaaaaaaaaaaaaaaaaaaa.lkd"}) {
    std::error_code ec;
    const staged_directory staged(name[0] == '\0' ? fs::path() : place / name, {}, ec);
    INFO(name);
    CHECK(ec == errc::invalid_name);
  }
  std::error_code ec;
  const staged_directory missing(place / "no" / "d", {}, ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK(place.names().empty());
}

TEST_CASE("a name of 255 bytes works for a directory") {
  for (const directory_layout layout : both_layouts) {
    const scratch_directory place;
    const fs::path target = place / std::string(255, 'd');
    for (const char* version : {"first", "second"}) {
      publish_version(target, version, durability::consistent, {.layout = layout});
      CHECK(version_of(target) == version);
    }
  }
}

TEST_CASE("FIFOs and sockets in a tree do not block its publishing, links are not followed, links of a file stay") {
  const scratch_directory place;
  for (const char* version : {"first", "second"}) {
    staged_directory staged(place / "d");
    fill_tree(staged.path(), version);
    make_special_files(staged.path());
    fs::create_symlink("/dev/watchdog-that-nobody-opens", staged.path() / "device");
    fs::create_symlink(".", staged.path() / "circle");
    fs::create_hard_link(staged.path() / "a", staged.path() / "sub" / "hard");
    CHECK_FALSE(commit_code(staged, durability::durable));
  }
  CHECK(version_of(place / "d") == "second");
  CHECK(fs::hard_link_count(place / "d" / "a") == 2);
  CHECK(place.names() == std::set<std::string>{"d"});
}

namespace {

/// So deep that no path leads to the bottom; returns how deep.
int make_deep(const fs::path& root) {
  const std::string name(200, 'x');
  int at = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int depth = 0;
  for (; depth < 60; ++depth) {
    REQUIRE(::mkdirat(at, name.c_str(), 0700) == 0);
    const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(below >= 0);
    ::close(at);
    at = below;
  }
  const int file = ::openat(at, "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(::write(file, "x", 1) == 1);
  ::close(file);
  ::close(at);
  return depth;
}

}  // namespace

TEST_CASE("a tree deeper than any path, and than the limit of open files, is synced, published and removed") {
  const scratch_directory place;
  testing::child_process child([&] {
    const rlimit few = {32, 32};
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int round = 0; round < 2; ++round) {
      staged_directory staged(place / "d");
      make_deep(staged.path());
      if (commit_code(staged, durability::durable)) return 1;
    }
    staged_directory last(place / "d");
    return commit_code(last) ? 2 : 0;
  });
  CHECK(child.wait() == 0);
  CHECK(place.names() == std::set<std::string>{"d"});
  CHECK(fs::is_empty(place / "d"));
}

TEST_CASE("directories that forbid writing, as archives contain them, are published as they are and removed later") {
  const scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  testing::child_process child([&] {
    if (::geteuid() == 0 && (::setgid(1000) != 0 || ::setuid(1000) != 0)) return 98;
    for (const char* version : {"first", "second", "third"}) {
      staged_directory staged(place / "d");
      fill_tree(staged.path(), version);
      testing::write_file(staged.path() / "sub" / "secret", "nobody reads this");
      fs::permissions(staged.path() / "sub" / "secret", fs::perms(0));
      fs::permissions(staged.path() / "sub" / "deep", fs::perms(0555));
      fs::permissions(staged.path() / "sub", fs::perms(0555));
      if (commit_code(staged)) return 1;
    }
    return 0;
  });
  CHECK(child.wait() == 0);
  CHECK(version_of(place / "d") == "third");
  CHECK(fs::status(place / "d" / "sub").permissions() == fs::perms(0555));
  CHECK(place.names() == std::set<std::string>{"d"});
}

TEST_CASE("a directory's mode is the one that was asked for, and never more while it is filled") {
  const scratch_directory place;
  staged_directory staged(place / "d", {.permissions = fs::perms(0550)});
  CHECK((fs::status(staged.path()).permissions() & fs::perms(0027)) == fs::perms::none);
  CHECK_FALSE(commit_code(staged));
  CHECK(fs::status(place / "d").permissions() == fs::perms(0550));
}

TEST_CASE("a full disk, or a filler that throws, publishes nothing and leaves nothing") {
  const testing::scratch_mount mount("tmpfs", "size=64k");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  const fs::path target = mount.path() / "d";
  publish_directory(target, [](const fs::path& staged) { testing::write_file(staged / "f", "good"); });
  const auto too_much = [](const fs::path& staged) { testing::write_file(staged / "f", std::string(200'000, 'x')); };
  CHECK_THROWS(publish_directory(target, too_much));
  CHECK(testing::read_file(target / "f") == "good");
  CHECK(std::distance(fs::directory_iterator(mount.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a copy of a tree is published with its modes and links, and refused if something in it is no file") {
  const scratch_directory place;
  const fs::path source = place / "source";
  fill_tree(source, "copied");
  fs::permissions(source / "a", fs::perms(0640));
  fs::permissions(source / "sub" / "deep", fs::perms(0555));
  fs::permissions(source, fs::perms(0750));
  CHECK(publish_directory_copy(source, place / "d") == publish_result::published);
  CHECK(version_of(place / "d") == "copied");
  CHECK(fs::status(place / "d").permissions() == fs::perms(0750));
  CHECK(fs::status(place / "d" / "a").permissions() == fs::perms(0640));
  CHECK(fs::status(place / "d" / "sub" / "deep").permissions() == fs::perms(0555));
  REQUIRE(::mkfifo((source / "fifo").c_str(), 0600) == 0);
  std::error_code ec;
  publish_directory_copy(source, place / "d", durability::consistent, {}, ec);
  CHECK(ec == errc::not_a_regular_file);
  CHECK(version_of(place / "d") == "copied");
  CHECK(place.names() == std::set<std::string>{"d", "source"});
}

TEST_CASE("an old tree that is left to the sweep is removed by it, and one in use is not") {
  const scratch_directory place;
  const fs::path target = place / "d";
  publish_version(target, "first", durability::visible);
  publish_version(target, "second", durability::visible, {.old = old_tree::leave_to_sweep});
  CHECK(place.names().size() == 2);
  const auto found = sweep_leftovers(place.path(), {.minimum_age = std::chrono::seconds(0)});
  REQUIRE(found.size() == 1);
  CHECK(found.front().kind == leftover_kind::staged_directory);
  CHECK(place.names() == std::set<std::string>{"d"});
  CHECK(version_of(target) == "second");
}

#if defined(LOCKKIT_FAULT_INJECTION)

namespace fault = platform::fault;

TEST_CASE("without an exchange of names a directory is not replaced by other means, and the linked layout goes on") {
  for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    const scratch_directory place;
    publish_version(place / "d", "old", durability::visible);
    fault::arm({.what = fault::action::fail, .name = "renameat2", .times = 1000, .error = error});
    for (const publish_mode mode : {publish_mode::replace, publish_mode::if_absent}) {
      for (const char* name : {"d", "absent"}) {
        staged_directory staged(place / name, {.mode = mode});
        fill_tree(staged.path(), "new");
        CHECK(commit_code(staged) == errc::unsupported_filesystem);
      }
    }
    for (const char* version : {"first", "second"}) {
      publish_version(place / "linked", version, durability::durable, {.layout = directory_layout::linked});
      CHECK(version_of(place / "linked") == version);
    }
    fault::disarm();
    CHECK(version_of(place / "d") == "old");
    CHECK(place.names().size() == 3);
  }
}

TEST_CASE("after a failed sync of the directory the tree is visible, the error says so, and the old tree is kept") {
  const scratch_directory place;
  const fs::path target = place / "d";
  fault::start_recording();
  publish_version(target, "old", durability::durable);
  const auto calls = fault::stop_recording();
  const auto syncs = static_cast<std::uint64_t>(std::ranges::count(calls, "fsync"));
  CHECK(syncs == std::size(testing::tree_files) + 4);  // three directories, and the one it lies in
  staged_directory staged(target);
  fill_tree(staged.path(), "new");
  fault::arm({.what = fault::action::fail, .name = "fsync", .nth = syncs, .error = EIO});
  const std::error_code ec = commit_code(staged, durability::durable);
  fault::disarm();
  CHECK(ec == errc::published_not_durable);
  CHECK(version_of(target) == "new");
  REQUIRE(place.names().size() == 2);
  CHECK(version_of(place / *place.names().begin()) == "old");
}

TEST_CASE("any call of publishing a directory failing once leaves the old tree or the new one, whole") {
  for (const directory_layout layout : both_layouts) {
    const auto publish = [&](const fs::path& target, std::error_code& ec) {
      staged_directory staged(target, {.layout = layout}, ec);
      if (ec) return;
      fill_tree(staged.path(), "new");
      staged.commit(durability::durable, ec);
    };
    std::vector<std::string> calls;
    for (std::uint64_t i = 0; i <= calls.size(); ++i) {
      for (const int error : {EIO, EMFILE, EACCES, EINTR}) {
        const scratch_directory place(testing::memory_directory());
        const fs::path target = place / "d";
        publish_version(target, "old", durability::visible, {.layout = layout});
        const std::size_t before = testing::open_descriptors();
        std::error_code ec;
        if (i == 0) fault::start_recording();
        if (i != 0) fault::arm({.what = fault::action::fail, .nth = i, .error = error});
        publish(target, ec);
        fault::disarm();
        if (i == 0) calls = fault::stop_recording();
        INFO((i == 0 ? "nothing" : calls[i - 1]) << " (call " << i << ") fails with errno " << error);
        const std::string version = version_of(target);
        CHECK((version == "new" || (ec && version == "old")));
        CHECK(testing::open_descriptors() == before);
        sweep_staged(place.path(), std::chrono::seconds(0), ec);
        CHECK(place.names().size() == (layout == directory_layout::linked ? 2 : 1));
      }
    }
  }
}

TEST_CASE("a look that the kernel refuses is an error and never means that nothing is there") {
  for (const char* look : {"statx", "newfstatat", "fstat"}) {
    for (const int error : {ENOSYS, EPERM}) {
      const scratch_directory place;
      publish_version(place / "d", "old", durability::visible);
      testing::write_file(place / "f", "old");
      fault::arm({.what = fault::action::fail, .name = look, .times = 100'000, .error = error});
      std::error_code made;
      const bool was_made = ensure_directory(place / "d", {}, made);
      for (const publish_mode mode : {publish_mode::if_absent, publish_mode::replace}) {
        std::error_code ec;
        const publish_result file = publish(place / "f", {}, durability::visible, {.mode = mode}, ec);
        CHECK((ec || mode == publish_mode::replace || file == publish_result::already_exists));
        staged_directory staged(place / "d", {.mode = mode}, ec);
        const publish_result tree = ec ? publish_result::already_exists : staged.commit(durability::visible, ec);
        CHECK((ec || mode == publish_mode::replace || tree == publish_result::already_exists));
      }
      fault::disarm();
      CHECK_FALSE(was_made);
      INFO(look);
      if (std::string_view(look) == "statx") CHECK(version_of(place / "d") == "old");
      CHECK(place.names().size() == 2);
    }
  }
}

TEST_CASE("a file that comes to stand there in the moment of the exchange is put back") {
  const scratch_directory place;
  const fs::path target = place / "d";
  publish_version(target, "old", durability::visible);
  const testing::signal_pipe there;
  const testing::signal_pipe go_on;
  testing::child_process publisher([&] {
    staged_directory staged(target);
    fill_tree(staged.path(), "new");
    fault::arm({.what = fault::action::stop,
                .name = "renameat2",
                .nth = 2,
                .announce_fd = there.write_end(),
                .resume_fd = go_on.read_end()});
    return commit_code(staged, durability::visible) == std::errc::not_a_directory ? 0 : 1;
  });
  there.receive();
  fs::rename(target, place / "moved");
  testing::write_file(target, "somebody's file");
  go_on.send();
  CHECK(publisher.wait() == 0);
  CHECK(testing::read_file(target) == "somebody's file");
  CHECK(place.names() == std::set<std::string>{"d", "moved"});
}

#endif
