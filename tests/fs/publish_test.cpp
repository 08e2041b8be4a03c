#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::errc;
using lockkit::publish;
using lockkit::publish_mode;
using lockkit::publish_options;
using lockkit::publish_result;
using lockkit::staged_file;
using lockkit::symlink_policy;
using testing::read_file;
using testing::write_file;

namespace {

namespace fs = std::filesystem;

constexpr publish_options if_absent{.mode = publish_mode::if_absent};
constexpr publish_options follow{.symlinks = symlink_policy::follow};

std::error_code try_publish(const fs::path& target, std::string_view text, const publish_options& options = {}) {
  std::error_code ec;
  publish(target, std::as_bytes(std::span(text)), durability::consistent, options, ec);
  return ec;
}

unsigned mode_of(const fs::path& file) {
  return static_cast<unsigned>(fs::status(file).permissions());
}

/// Runs with the given umask and puts the old one back.
struct umask_guard {
  explicit umask_guard(mode_t mask) : old(::umask(mask)) {}
  ~umask_guard() { ::umask(old); }
  mode_t old;
};

}  // namespace

TEST_CASE("publish makes a file, replaces it, and leaves nothing else") {
  testing::scratch_directory place;
  for (const durability level : {durability::visible, durability::consistent, durability::durable}) {
    for (const char* content : {"first", "second, longer", ""}) {
      CHECK(publish(place / "f", content, level) == publish_result::published);
      CHECK(read_file(place / "f") == content);
      CHECK(place.names() == std::set<std::string>{"f"});
    }
  }
}

TEST_CASE("if_absent publishes once and changes nothing afterwards") {
  testing::scratch_directory place;
  CHECK(publish(place / "f", "first", durability::durable, if_absent) == publish_result::published);
  CHECK(publish(place / "f", "second", durability::durable, if_absent) == publish_result::already_exists);
  CHECK(read_file(place / "f") == "first");
  fs::create_symlink("nowhere", place / "dangling");
  fs::create_directory(place / "directory");
  CHECK(publish(place / "dangling", "x", durability::visible, if_absent) == publish_result::already_exists);
  CHECK(publish(place / "directory", "x", durability::visible, if_absent) == publish_result::already_exists);
  CHECK(place.names() == std::set<std::string>{"dangling", "directory", "f"});
}

TEST_CASE("a staged file is invisible until it is committed, and discarded otherwise") {
  testing::scratch_directory place;
  {
    staged_file staged(place / "f");
    staged.write("half");
    CHECK(staged.size() == 4);
    CHECK(staged.target() == place / "f");
    CHECK(place.names().empty());
  }
  staged_file staged(place / "f");
  staged.discard();
  std::error_code ec;
  staged.commit(durability::visible, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
  CHECK(place.names().empty());
}

TEST_CASE("a staged file is committed once") {
  testing::scratch_directory place;
  staged_file staged(place / "f");
  staged.write("content");
  staged.commit();
  std::error_code ec;
  staged.write(std::as_bytes(std::span("more", 4)), ec);
  CHECK(ec == std::errc::bad_file_descriptor);
  staged.commit(durability::visible, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
  CHECK(staged.native_handle() == -1);
  CHECK(read_file(place / "f") == "content");
}

TEST_CASE("assigning over a staged file discards what it held, and moving passes it on") {
  testing::scratch_directory place;
  const std::size_t before = testing::open_descriptors();
  {
    staged_file first(place / "first");
    first.write("1");
    staged_file second(place / "second");
    second.write("2");
    first = std::move(second);
    CHECK(first.target() == place / "second");
    std::error_code ec;
    second.commit(durability::visible, ec);  // NOLINT: moved from on purpose
    CHECK(ec == std::errc::bad_file_descriptor);
    staged_file third(std::move(first));
    third.commit();
  }
  CHECK(place.names() == std::set<std::string>{"second"});
  CHECK(testing::open_descriptors() == before);
}

TEST_CASE("a descriptor that was handed out writes what size() does not count") {
  testing::scratch_directory place;
  staged_file staged(place / "f");
  staged.write("counted ");
  REQUIRE(::write(staged.native_handle(), "and not", 7) == 7);
  CHECK(staged.size() == 8);
  staged.commit();
  CHECK(read_file(place / "f") == "counted and not");
}

TEST_CASE("a forked child that destroys or commits a staged file changes nothing") {
  testing::scratch_directory place;
  staged_file staged(place / "f");
  staged.write("parent's");
  testing::child_process child([&] {
    std::error_code ec;
    staged.commit(durability::visible, ec);
    const staged_file destroyed = std::move(staged);
    return ec == std::errc::operation_not_permitted ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(place.names().empty());
  staged.commit();
  CHECK(read_file(place / "f") == "parent's");
}

TEST_CASE("published files get their mode from the umask, from the default ACL, or as asked for") {
  testing::scratch_directory place;
  for (const mode_t mask : {0022U, 0077U, 0002U}) {
    const umask_guard guard(mask);
    publish(place / "f", "x");
    CHECK(mode_of(place / "f") == (0666U & ~mask));
  }
  const umask_guard guard(0077);
  publish(place / "f", "x", durability::visible, {.permissions = fs::perms(0640)});
  CHECK(mode_of(place / "f") == 0640U);
  // user::rw-, group::r--, other::r--, whatever the umask says: version 2, then (tag, permissions, id) each.
  const std::array<std::uint32_t, 7> acl = {2, 0x00060001, 0xffffffff, 0x00040004, 0xffffffff, 0x00040020, 0xffffffff};
  if (::setxattr(place.path().c_str(), "system.posix_acl_default", acl.data(), sizeof acl, 0) != 0) {
    WARN("no ACL on this filesystem: the default ACL is not tested");
    return;
  }
  publish(place / "new", "x");
  publish(place / "f", "x");
  CHECK(mode_of(place / "new") == 0644U);
  CHECK(mode_of(place / "f") == 0644U);
}

TEST_CASE("a staged file has the mode that was asked for while it is written") {
  testing::scratch_directory place;
  const umask_guard guard(0);
  const staged_file staged(place / "f", {.permissions = fs::perms(0600)});
  struct stat found{};
  REQUIRE(::fstat(staged.native_handle(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0600U);
}

TEST_CASE("a directory at the target stays, and so do FIFOs, sockets and devices") {
  testing::scratch_directory place;
  fs::create_directory(place / "directory");
  write_file(place / "directory/inside", "kept");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (place / "socket").c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(socket);
  // Root only. Never the machine's own /dev/null: a build with a fault in it would replace that for everybody.
  const bool device = ::mknod((place / "device").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
  const auto before = place.names();
  CHECK(try_publish(place / "directory", "x") == std::errc::is_a_directory);
  CHECK(try_publish(place / "fifo", "x") == errc::not_a_regular_file);
  CHECK(try_publish(place / "socket", "x") == errc::not_a_regular_file);
  if (device) CHECK(try_publish(place / "device", "x") == errc::not_a_regular_file);
  CHECK(fs::is_fifo(place / "fifo"));
  CHECK(fs::is_socket(place / "socket"));
  if (device) CHECK(fs::is_character_file(place / "device"));
  CHECK(read_file(place / "directory/inside") == "kept");
  CHECK(place.names() == before);
}

TEST_CASE("paths that name no file are refused before anything is made") {
  testing::scratch_directory place;
  const std::string with_nul = (place / "a").string() + '\0' + "b";
  for (const fs::path& bad : {fs::path(), place / "", place / ".", place / "..", fs::path("."), fs::path(".."),
                              fs::path("/"), fs::path(with_nul)}) {
    INFO(bad);
    CHECK(try_publish(bad, "x") == errc::invalid_name);
  }
  CHECK(try_publish(place / std::string(256, 'n'), "x") == std::errc::filename_too_long);
  CHECK(try_publish(place / "missing/f", "x") == std::errc::no_such_file_or_directory);
  write_file(place / "file", "kept");
  CHECK(try_publish(place / "file/f", "x") == std::errc::not_a_directory);
  CHECK(place.names() == std::set<std::string>{"file"});
}

TEST_CASE("names of 255 bytes can be published and replaced") {
  testing::scratch_directory place;
  const fs::path target = place / std::string(255, 'n');
  for (const char* content : {"first", "second"}) {
    publish(target, content);
    CHECK(read_file(target) == content);
  }
  CHECK(place.names().size() == 1);
}

TEST_CASE("errors name the operation, the path, the reason and what to do") {
  testing::scratch_directory place;
  try {
    publish(place / "missing/f", "x");
    FAIL("published into a directory that does not exist");
  } catch (const lockkit::error& thrown) {
    const std::string text = thrown.what();
    INFO(text);
    CHECK(text.find("publish") != std::string::npos);
    CHECK(text.find("missing/f") != std::string::npos);
    CHECK(text.find("make the directory first") != std::string::npos);
  }
}

TEST_CASE("a symbolic link is replaced by default, and followed on request") {
  testing::scratch_directory place;
  fs::create_directory(place / "sub");
  write_file(place / "sub/real", "old");
  fs::create_symlink("sub/real", place / "relative");
  fs::create_symlink(place / "relative", place / "absolute");
  publish(place / "absolute", "new", durability::consistent, follow);
  CHECK(read_file(place / "sub/real") == "new");
  CHECK(fs::is_symlink(place / "absolute"));
  CHECK(fs::is_symlink(place / "relative"));
  publish(place / "relative", "own");
  CHECK(fs::symlink_status(place / "relative").type() == fs::file_type::regular);
  CHECK(read_file(place / "sub/real") == "new");
}

TEST_CASE("a dangling link that is followed leads to a new file") {
  testing::scratch_directory place;
  fs::create_symlink("made", place / "link");
  publish(place / "link", "content", durability::consistent, follow);
  CHECK(read_file(place / "made") == "content");
  CHECK(fs::is_symlink(place / "link"));
}

TEST_CASE("forty links are followed, not more, and no circle") {
  testing::scratch_directory place;
  write_file(place / "0", "old");
  for (int i = 1; i <= 41; ++i) fs::create_symlink(std::to_string(i - 1), place / std::to_string(i));
  CHECK_FALSE(try_publish(place / "40", "new", follow));
  CHECK(read_file(place / "0") == "new");
  CHECK(try_publish(place / "41", "x", follow) == std::errc::too_many_symbolic_link_levels);
  fs::create_symlink("circle", place / "circle");
  CHECK(try_publish(place / "circle", "x", follow) == std::errc::too_many_symbolic_link_levels);
  fs::create_symlink("..", place / "up");
  CHECK(try_publish(place / "up", "x", follow) == std::errc::is_a_directory);
  CHECK(read_file(place / "0") == "new");
}

TEST_CASE("a link that another user left in a shared sticky directory is not followed") {
  if (::geteuid() != 0) {
    WARN("needs root to make another user's link");
    return;
  }
  testing::scratch_directory place;
  fs::create_directory(place / "shared");
  fs::permissions(place / "shared", fs::perms(01777));
  write_file(place / "victim", "kept");
  fs::create_symlink(place / "victim", place / "shared/trap");
  REQUIRE(::lchown((place / "shared/trap").c_str(), 1000, 1000) == 0);
  CHECK(try_publish(place / "shared/trap", "x", follow) == std::errc::permission_denied);
  CHECK(read_file(place / "victim") == "kept");
}

TEST_CASE("the file goes with its directory when that is renamed meanwhile") {
  testing::scratch_directory place;
  fs::create_directory(place / "before");
  staged_file staged(place / "before/f");
  staged.write("content");
  fs::rename(place / "before", place / "after");
  staged.commit();
  CHECK(read_file(place / "after/f") == "content");
  CHECK_FALSE(fs::exists(place / "before"));
}

TEST_CASE("publishing needs permission to write and search, not to list") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user");
    return;
  }
  testing::scratch_directory place;
  fs::create_directory(place / "box");
  fs::permissions(place.path(), fs::perms(0755));
  REQUIRE(::chown((place / "box").c_str(), 1000, 1000) == 0);
  const auto as_user = [&](const fs::path& target) {
    return testing::child_process([&] {
             if (::setgid(1000) != 0 || ::setuid(1000) != 0) return 98;
             std::error_code ec;
             publish(target, std::as_bytes(std::span("x", 1)), durability::durable, {}, ec);
             return ec == std::errc::permission_denied ? 13 : (ec ? 1 : 0);
           })
        .wait();
  };
  fs::permissions(place / "box", fs::perms(0300));
  CHECK(as_user(place / "box/f") == 0);
  CHECK(as_user(place / "box/f") == 0);
  fs::permissions(place / "box", fs::perms(0500));
  CHECK(as_user(place / "box/f") == 13);
  CHECK(as_user(place / "f") == 13);
}
