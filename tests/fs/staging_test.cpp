#include <fcntl.h>
#include <unistd.h>

#include <lockkit/error.hpp>

#include "fs/staging_support.hpp"
#include "platform/platform.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using lockkit::publish_result;
using namespace lockkit::detail;
namespace platform = lockkit::platform;
using testing::both_routes;
using testing::bytes;
using testing::held_directory;

TEST_CASE("a staged file appears only when it is published, and nothing else is left") {
  for (const staging_route route : both_routes) {
    testing::scratch_directory place;
    const held_directory directory(place.path());
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec, {.route = route});
    REQUIRE_FALSE(ec);
    staged.append(bytes("content"), ec);
    REQUIRE_FALSE(ec);
    CHECK(staged.size() == 7);
    CHECK(place.names().size() == (route == staging_route::named ? 1 : 0));
    const auto result = staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::durable, ec);
    CHECK_FALSE(ec);
    CHECK(result == publish_result::published);
    CHECK(place.names() == std::set<std::string>{"f"});
    CHECK(testing::read_file(place / "f") == "content");
  }
}

TEST_CASE("a staged file may be published in another directory of the same mount") {
  for (const staging_route route : both_routes) {
    for (const char* old : {"", "old"}) {
      testing::scratch_directory staging_place;
      testing::scratch_directory target_place;
      const held_directory from(staging_place.path());
      const held_directory to(target_place.path());
      if (*old != '\0') testing::write_file(target_place / "f", old);
      std::error_code ec;
      staging staged(from.fd.get(), "f", ec, {.route = route});
      staged.append(bytes("new"), ec);
      staged.publish_as(to.fd.get(), "f", publish_mode::replace, durability::consistent, ec);
      CHECK_FALSE(ec);
      CHECK(testing::read_file(target_place / "f") == "new");
      CHECK(staging_place.names().empty());
      CHECK(target_place.names().size() == 1);
    }
  }
}

TEST_CASE("after already_exists the same file can replace what stands there") {
  for (const staging_route route : both_routes) {
    testing::scratch_directory place;
    const held_directory directory(place.path());
    testing::write_file(place / "f", "damaged");
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec, {.route = route});
    staged.append(bytes("good"), ec);
    CHECK(staged.publish_as(directory.fd.get(), "f", publish_mode::if_absent, durability::consistent, ec) ==
          publish_result::already_exists);
    CHECK_FALSE(ec);
    CHECK(testing::read_file(place / "f") == "damaged");
    staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::consistent, ec);
    CHECK_FALSE(ec);
    CHECK(testing::read_file(place / "f") == "good");
    CHECK(place.names().size() == 1);
  }
}

TEST_CASE("reset starts again from nothing") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec);
  staged.append(bytes("a broken transfer"), ec);
  staged.reset(ec);
  CHECK(staged.size() == 0);
  staged.append(bytes("whole"), ec);
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK_FALSE(ec);
  CHECK(testing::read_file(place / "f") == "whole");
}

TEST_CASE("a file whose size is not what was appended is not published") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec);
  staged.append(bytes("content"), ec);
  REQUIRE(::ftruncate(staged.fd(), 3) == 0);
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK(ec == lockkit::errc::integrity_mismatch);
  CHECK(place.names().empty());
}

TEST_CASE("sealing finds a writer that remains, and is content when it is gone") {
  for (const staging_route route : both_routes) {
    testing::scratch_directory place;
    const held_directory directory(place.path());
    std::error_code ec;
    staging watched(directory.fd.get(), "f", ec, {.route = route});
    watched.append(bytes("content"), ec);
    const platform::unique_fd leaked(::fcntl(watched.fd(), F_DUPFD_CLOEXEC, 0));
    CHECK(watched.seal(ec) == seal_state::writer_remains);
    CHECK_FALSE(ec);
    staging alone(directory.fd.get(), "f", ec, {.route = route});
    alone.append(bytes("content"), ec);
    CHECK(alone.seal(ec) == seal_state::sealed);
    CHECK_FALSE(ec);
    alone.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::consistent, ec);
    CHECK_FALSE(ec);
    CHECK(testing::read_file(place / "f") == "content");
  }
}

TEST_CASE("a forked child neither publishes nor removes what its parent has staged") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
  staged.append(bytes("parent"), ec);
  testing::child_process child([&] {
    std::error_code refused;
    staged.append(bytes("child"), refused);
    if (refused != std::errc::operation_not_permitted) return 1;
    staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, refused);
    if (refused != std::errc::operation_not_permitted) return 2;
    staged.discard();
    return 0;
  });
  CHECK(child.wait() == 0);
  CHECK(place.names().size() == 1);
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK_FALSE(ec);
  CHECK(testing::read_file(place / "f") == "parent");
}

TEST_CASE("a directory that can be entered and written but not read serves for publishing") {
  testing::scratch_directory place;
  const held_directory directory(place.path(), O_PATH);
  for (const char* content : {"first", "second"}) {
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec);
    staged.append(bytes(content), ec);
    staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::durable, ec);
    CHECK_FALSE(ec);
    CHECK(testing::read_file(place / "f") == content);
  }
}

TEST_CASE("temporary names fit wherever the target's name fits, and tell their origin") {
  for (const std::size_t size : {1U, 64U, 65U, 100U, 223U, 255U}) {
    for (const name_origin origin : {name_origin::opened, name_origin::born_locked}) {
      std::error_code ec;
      const name_buffer name = temporary_name(std::string(size, 'n'), origin, ec);
      const std::string_view text(name.data());
      CHECK(text.size() <= std::max<std::size_t>(size, 96));
      CHECK(parse_temporary_name(text) == origin);
    }
  }
  for (const char* foreign :
       {"", ".lkt", "f.lkt", ".f.aaaaaaaaaaaaaaaaaaaaaaaaaa.lkd", ".f.aaaaaaaaaaaaaaaaaaaaaaaaa.lkt",
        ".f.aaaaaaaaaaaaaaaaaaaaaaaaa1.lkt", ".f.aaaaaaaaaaaaaaaaaaaaaaaaaz.lkt"}) {
    INFO(foreign);
    CHECK_FALSE(parse_temporary_name(foreign));
  }
}

TEST_CASE("temporary names do not cut a UTF-8 character in two") {
  for (const std::size_t offset : {60U, 61U, 62U, 63U}) {
    std::string base(offset, 'x');
    while (base.size() < 250) base += "\xe2\x82\xac";  // a character of three bytes
    std::error_code ec;
    const std::string text = temporary_name(base, name_origin::opened, ec).data();
    CHECK(text[text.size() - 31 - 1] == '\xac');
  }
}

TEST_CASE("assigning over a staged file removes its temporary name") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging first(directory.fd.get(), "first", ec, {.route = staging_route::named});
  first = staging(directory.fd.get(), "second", ec, {.route = staging_route::named});
  REQUIRE(place.names().size() == 1);
  CHECK(place.names().begin()->starts_with(".second."));
  first = staging();
  CHECK(place.names().empty());
}

TEST_CASE("a published file has one name at once, even where its target was a link to it") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
  std::filesystem::create_hard_link(place / *place.names().begin(), place / "f");  // rename will do nothing
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK_FALSE(ec);
  CHECK(place.names() == std::set<std::string>{"f"});
}
