// Every call that publishing makes, found by recording one run, fails once in every way.
#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/stopped_process.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

using lockkit::durability;
using lockkit::errc;
using lockkit::publish_mode;
using lockkit::publish_result;
using lockkit::detail::staging;
using lockkit::detail::staging_route;
using testing::both_modes;
using testing::both_routes;
using testing::bytes;
using testing::every_level;
using testing::held_directory;
using testing::publish_by;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

const std::string old_content = "the old content";
const std::string new_content = "the new content, which is longer";

struct publication {
  staging_route route;
  publish_mode mode;
  durability level;
  bool target_exists;

  void prepare(const testing::scratch_directory& place) const {
    std::filesystem::remove(place / "f");
    if (target_exists) write_file(place / "f", old_content);
  }
  publish_result run(const testing::scratch_directory& place, std::error_code& ec) const {
    return publish_by(route, place.path(), new_content, level, mode, ec);
  }
  std::vector<std::string> calls(const testing::scratch_directory& place) const {
    prepare(place);
    fault::start_recording();
    std::error_code ec;
    run(place, ec);
    return fault::stop_recording();
  }
  bool is_untouched(const testing::scratch_directory& place) const {
    return target_exists ? read_file(place / "f") == old_content : !std::filesystem::exists(place / "f");
  }
};

template <class Visit>
void for_each_publication(Visit visit) {
  for (const staging_route route : both_routes) {
    for (const publish_mode mode : both_modes) {
      for (const durability level : every_level) {
        for (const bool exists : {false, true}) visit(publication{route, mode, level, exists});
      }
    }
  }
}

/// Arms the plan for the length of one operation.
struct armed {
  explicit armed(const fault::plan& plan) { fault::arm(plan); }
  ~armed() { fault::disarm(); }
};

void check_outcome(const publication& how, const testing::scratch_directory& place, publish_result result,
                   const std::error_code& ec) {
  if (ec == errc::published_not_durable || (!ec && result == publish_result::published)) {
    CHECK(read_file(place / "f") == new_content);
  } else {
    CHECK(how.is_untouched(place));
    CHECK((ec || result == publish_result::already_exists));
  }
  for (const std::string& name : place.names()) CHECK(name == "f");
}

}  // namespace

TEST_CASE("each call of publish failing once gives a clean error or success, and nothing is left or lost") {
  testing::scratch_directory place;
  std::size_t visited = 0;
  for_each_publication([&](const publication& how) {
    const std::vector<std::string> calls = how.calls(place);
    REQUIRE(calls.size() >= 4);
    for (std::uint64_t i = 1; i <= calls.size(); ++i) {
      for (const int error : {EIO, ENOSPC, EMFILE, EACCES, EINTR}) {
        how.prepare(place);
        const std::size_t before = testing::open_descriptors();
        std::error_code ec;
        publish_result result = publish_result::published;
        {
          const armed plan({.what = fault::action::fail, .nth = i, .error = error});
          result = how.run(place, ec);
        }
        INFO(calls[i - 1] << " (call " << i << ") fails with errno " << error << ": " << ec.message());
        CHECK(fault::fired());
        if (error == EINTR) CHECK_FALSE(ec);
        check_outcome(how, place, result, ec);
        CHECK(testing::open_descriptors() == before);
        ++visited;
      }
    }
  });
  CHECK(visited > 24 * 4 * 5);
}

TEST_CASE("a short write is continued") {
  testing::scratch_directory place;
  for_each_publication([&](const publication& how) {
    how.prepare(place);
    std::error_code ec;
    const armed plan({.what = fault::action::shorten, .name = "write", .bytes = 5});
    const auto result = how.run(place, ec);
    CHECK_FALSE(ec);
    CHECK((fault::fired() || result == publish_result::already_exists));
    check_outcome(how, place, result, ec);
  });
}

TEST_CASE("a failed sync is never repeated, and commit reports it") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  for (const staging_route route : both_routes) {
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec, {.route = route});
    staged.append(bytes("content"), ec);
    const armed plan({.what = fault::action::fail, .name = "fsync", .error = EIO});
    staged.sync(ec);
    CHECK(ec == std::errc::io_error);
    fault::start_recording();
    staged.sync(ec);
    CHECK(ec == std::errc::io_error);
    staged.reset(ec);
    CHECK(ec == std::errc::io_error);
    staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
    CHECK(ec == std::errc::io_error);
    const auto calls = fault::stop_recording();
    CHECK(std::find(calls.begin(), calls.end(), "fsync") == calls.end());
    CHECK(std::find(calls.begin(), calls.end(), "linkat") == calls.end());
  }
  CHECK(place.names().empty());
}

TEST_CASE("after a failed write a reset allows another attempt, and a commit reports the failure") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec);
  {
    const armed plan({.what = fault::action::fail, .name = "write", .error = ENOSPC});
    staged.append(bytes("content"), ec);
  }
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK(ec == std::errc::no_space_on_device);
  staged.reset(ec);
  staged.append(bytes("second"), ec);
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK_FALSE(ec);
  CHECK(read_file(place / "f") == "second");
}

TEST_CASE("a directory that can't be synced is told apart from one whose sync fails") {
  testing::scratch_directory place;
  const publication how{staging_route::automatic, publish_mode::replace, durability::durable, true};
  for (const int error : {EINVAL, EOPNOTSUPP, EBADF, EIO}) {
    how.prepare(place);
    std::error_code ec;
    const armed plan({.what = fault::action::fail, .name = "fsync", .nth = 2, .error = error});
    fault::start_recording();
    how.run(place, ec);
    const auto calls = fault::stop_recording();
    CHECK(ec == (error == EIO ? make_error_code(errc::published_not_durable) : std::error_code()));
    CHECK(std::count(calls.begin(), calls.end(), "fsync") == (error == EIO ? 2 : 3));
    CHECK(read_file(place / "f") == new_content);
  }
}

TEST_CASE("data is synced once, when the file has the name that it will be found by") {
  testing::scratch_directory place;
  for_each_publication([&](const publication& how) {
    const auto calls = how.calls(place);
    const bool written = how.mode == publish_mode::replace || !how.target_exists;
    const long wanted = !written || how.level == durability::visible ? 0 : (how.level == durability::durable ? 2 : 1);
    CHECK(std::count(calls.begin(), calls.end(), "fsync") == wanted);
    const auto sync = std::find(calls.begin(), calls.end(), "fsync");
    const auto rename = std::find(calls.begin(), calls.end(), "renameat");
    if (wanted > 0 && rename != calls.end()) {
      CHECK(sync < rename);
      CHECK((how.route == staging_route::named || std::find(calls.begin(), sync, "linkat") != sync));
    }
  });
}

TEST_CASE("a sync before the file had a name does not count") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  write_file(place / "f", old_content);
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec);
  staged.append(bytes(new_content), ec);
  staged.sync(ec);
  fault::start_recording();
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::consistent, ec);
  const auto calls = fault::stop_recording();
  CHECK_FALSE(ec);
  CHECK(std::count(calls.begin(), calls.end(), "fsync") == 1);
}

TEST_CASE("without /proc and AT_EMPTY_PATH the content goes through a named file") {
  testing::scratch_directory place;
  for (const publish_mode mode : both_modes) {
    for (const bool exists : {false, true}) {
      const publication how{staging_route::automatic, mode, durability::consistent, exists};
      how.prepare(place);
      std::error_code ec;
      const armed plan({.what = fault::action::fail, .name = "linkat", .times = 100, .error = ENOENT});
      const auto result = how.run(place, ec);
      CHECK_FALSE(ec);
      CHECK(result ==
            (exists && mode == publish_mode::if_absent ? publish_result::already_exists : publish_result::published));
      check_outcome(how, place, result, ec);
    }
  }
}

TEST_CASE("without RENAME_NOREPLACE a link decides, and without links nothing is guessed") {
  testing::scratch_directory place;
  const publication how{staging_route::named, publish_mode::if_absent, durability::visible, false};
  const auto calls = how.calls(place);
  const auto rename = std::find(calls.begin(), calls.end(), "renameat2");
  REQUIRE(rename != calls.end());
  const auto nth = static_cast<std::uint64_t>(rename - calls.begin()) + 1;
  for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    how.prepare(place);
    std::error_code ec;
    {
      const armed plan({.what = fault::action::fail, .nth = nth, .error = error});
      CHECK(how.run(place, ec) == publish_result::published);
      CHECK_FALSE(ec);
      CHECK(read_file(place / "f") == new_content);
      CHECK(place.names().size() == 1);
    }
    how.prepare(place);
    const armed plan({.what = fault::action::fail, .nth = nth, .times = 2, .error = error});
    how.run(place, ec);
    CHECK(ec == errc::unsupported_filesystem);
    CHECK(place.names().empty());
  }
}

TEST_CASE("a staged file is made with no more than the mode that was asked for") {
  testing::scratch_directory place;
  const armed plan({.what = fault::action::fail, .name = "fchmod", .error = EIO});  // so that the first mode stays
  std::error_code ec;
  const lockkit::staged_file staged(place / "f", {.permissions = std::filesystem::perms(0600)}, ec);
  CHECK(ec == std::errc::io_error);
  struct stat found{};
  REQUIRE(::fstat(staged.native_handle(), &found) == 0);
  CHECK((found.st_mode & 07077U) == 0);
}

TEST_CASE("a filesystem without O_TMPFILE is served by named files") {
  testing::scratch_directory place;
  for (const int error : {EOPNOTSUPP, EISDIR, EINVAL, ENOENT}) {
    std::error_code ec;
    std::filesystem::remove(place / "f");
    const held_directory directory(place.path());
    const armed plan({.what = fault::action::fail, .name = "openat", .error = error});
    staging staged(directory.fd.get(), "f", ec);
    CHECK_FALSE(ec);
    CHECK(place.names().size() == 1);
    staged.append(bytes("content"), ec);
    staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::consistent, ec);
    CHECK_FALSE(ec);
    CHECK(place.names() == std::set<std::string>{"f"});
  }
}

namespace {

/// A publication in another process that stops before its first call named `call`.
testing::stopped_process stopped_publication(const publication& how, const testing::scratch_directory& place,
                                             const char* call) {
  return {call, 1, [&] {
            std::error_code ec;
            const auto result = how.run(place, ec);
            if (ec) return ec == std::errc::is_a_directory ? 21 : 1;
            return result == publish_result::already_exists ? 17 : 0;
          }};
}

}  // namespace

TEST_CASE("whoever comes between the look and the link loses nothing by if_absent and is replaced by replace") {
  testing::scratch_directory place;
  for (const publish_mode mode : both_modes) {
    const publication how{staging_route::automatic, mode, durability::visible, false};
    how.prepare(place);
    auto stopped = stopped_publication(how, place, "linkat");
    write_file(place / "f", "in between");
    CHECK(stopped.go_on() == (mode == publish_mode::replace ? 0 : 17));
    CHECK(read_file(place / "f") == (mode == publish_mode::replace ? new_content : "in between"));
    CHECK(place.names().size() == 1);
  }
  const publication how{staging_route::named, publish_mode::if_absent, durability::visible, false};
  how.prepare(place);
  auto stopped = stopped_publication(how, place, "renameat2");
  write_file(place / "f", "in between");
  CHECK(stopped.go_on() == 17);
  CHECK(read_file(place / "f") == "in between");
  CHECK(place.names().size() == 1);
}

TEST_CASE("a directory that comes between the look and the link stays") {
  testing::scratch_directory place;
  const publication how{staging_route::automatic, publish_mode::replace, durability::visible, false};
  auto stopped = stopped_publication(how, place, "linkat");
  std::filesystem::create_directory(place / "f");
  CHECK(stopped.go_on() == 21);
  CHECK(std::filesystem::is_directory(place / "f"));
  CHECK(place.names().size() == 1);
}

TEST_CASE("a rename that happened although its answer was lost is a success") {
  testing::scratch_directory place;
  for (const staging_route route : both_routes) {
    const publication how{route, publish_mode::replace, durability::visible, true};
    how.prepare(place);
    auto stopped = stopped_publication(how, place, "renameat");
    for (const std::string& name : place.names()) {
      if (name != "f") std::filesystem::rename(place / name, place / "f");  // what the server did
    }
    CHECK(stopped.go_on() == 0);
    CHECK(read_file(place / "f") == new_content);
    CHECK(place.names().size() == 1);
  }
}

TEST_CASE("a target that is the staged file already leaves no temporary name") {
  testing::scratch_directory place;
  const publication how{staging_route::named, publish_mode::replace, durability::visible, false};
  auto stopped = stopped_publication(how, place, "renameat");
  const std::string temporary = *place.names().begin();
  std::filesystem::create_hard_link(place / temporary, place / "f");  // rename of two links does nothing
  CHECK(stopped.go_on() == 0);
  CHECK(read_file(place / "f") == new_content);
  CHECK(place.names() == std::set<std::string>{"f"});
}

TEST_CASE("a temporary name that is another file's by now is not removed") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  {
    staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
    const auto temporary = place / *place.names().begin();
    std::filesystem::remove(temporary);
    write_file(temporary, "somebody else's");
  }
  REQUIRE(place.names().size() == 1);
  CHECK(read_file(place / *place.names().begin()) == "somebody else's");
}

#endif
