#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include <lockkit/error.hpp>

#include "fs/displaced_name.hpp"
#include "fs/file_version.hpp"
#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using lockkit::sweep_staged;
using lockkit::detail::name_origin;
using lockkit::detail::staging;
using lockkit::detail::staging_route;
using lockkit::detail::temporary_name;
using testing::held_directory;

namespace {

std::atomic<bool> grant_every_lock{false};  // as some network filesystems do

}  // namespace

/// The library's calls of flock come here: the executable's symbols go first.
extern "C" int flock(int fd, int operation) noexcept {
  if (grant_every_lock) return 0;
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

namespace {

std::filesystem::path leave_behind(const testing::scratch_directory& place, name_origin origin,
                                   std::chrono::hours age = {}) {
  std::error_code ec;
  const auto file = place / temporary_name("f", origin, ec).data();
  testing::write_file(file, "leftover");
  std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - age);
  return file;
}

}  // namespace

TEST_CASE("the sweep removes what dead writers left: at once if it was born locked, after a minute otherwise") {
  testing::scratch_directory place;
  leave_behind(place, name_origin::born_locked);
  leave_behind(place, name_origin::opened, std::chrono::hours(1));
  const auto young = leave_behind(place, name_origin::opened);
  CHECK(sweep_staged(place.path()) == 2);
  CHECK(place.names() == std::set<std::string>{young.filename()});
  std::error_code ec;
  leave_behind(place, name_origin::opened, -std::chrono::hours(1));
  CHECK(sweep_staged(place.path()) == 0);
  CHECK(sweep_staged(place.path(), std::chrono::seconds(0), ec) == 2);
  CHECK_FALSE(ec);
  CHECK(place.names().empty());
}

TEST_CASE("the sweep never touches a living writer, whatever its age") {
  testing::scratch_directory place;
  const held_directory directory(place.path());
  std::error_code ec;
  staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
  staged.append(testing::bytes("content"), ec);
  const auto name = place / *place.names().begin();
  std::filesystem::last_write_time(name, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1000));
  CHECK(sweep_staged(place.path(), std::chrono::seconds(0), ec) == 0);
  CHECK(staged.seal(ec) == lockkit::detail::seal_state::sealed);
  CHECK(sweep_staged(place.path(), std::chrono::seconds(0), ec) == 0);
  CHECK_FALSE(ec);
  staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
  CHECK_FALSE(ec);
  CHECK(testing::read_file(place / "f") == "content");
}

TEST_CASE("the sweep leaves everything that is not a staged file") {
  testing::scratch_directory place;
  const auto staged_name = [](name_origin origin) {
    std::error_code ec;
    return std::string(temporary_name("f", origin, ec).data());
  };
  testing::write_file(place / "f", "kept");
  testing::write_file(place / ".f.tmp", "kept");
  testing::write_file(place / ".f.guard", "kept");
  testing::write_file(place / (staged_name(name_origin::born_locked) + "x"), "kept");
  std::filesystem::create_directory(place / staged_name(name_origin::born_locked));
  std::filesystem::create_symlink("f", place / staged_name(name_origin::born_locked));
  REQUIRE(::mkfifo((place / staged_name(name_origin::born_locked)).c_str(), 0600) == 0);
  std::filesystem::create_directory(place / "below");
  testing::write_file(place / "below" / staged_name(name_origin::born_locked), "kept");
  const auto before = place.names();
  std::error_code ec;
  CHECK(sweep_staged(place.path(), std::chrono::seconds(0), ec) == 0);
  CHECK_FALSE(ec);
  CHECK(place.names() == before);
  CHECK(std::filesystem::exists(place / "below"));
}

TEST_CASE("where every lock is granted to everybody, only what nobody wrote to for a day is swept") {
  testing::scratch_directory place;
  leave_behind(place, name_origin::born_locked, std::chrono::hours(25));
  leave_behind(place, name_origin::opened, std::chrono::hours(25));
  const auto young = leave_behind(place, name_origin::born_locked, std::chrono::hours(23));
  const auto opened = leave_behind(place, name_origin::opened, std::chrono::hours(23));
  const auto ahead = leave_behind(place, name_origin::opened, -std::chrono::hours(23));
  grant_every_lock = true;
  std::error_code ec;
  const std::size_t removed = sweep_staged(place.path(), std::chrono::seconds(0), ec);
  grant_every_lock = false;
  CHECK(removed == 2);
  CHECK_FALSE(ec);
  CHECK(place.names() == std::set<std::string>{young.filename(), opened.filename(), ahead.filename()});
}

TEST_CASE("what changed places with a file is swept if it is one of the two, and kept if it is anybody else's") {
  using lockkit::detail::marks_of;
  testing::scratch_directory place;
  const auto marks = [](const std::filesystem::path& file) {
    std::error_code ec;
    const auto fd = lockkit::platform::open_at(AT_FDCWD, file.c_str(), O_RDONLY, 0, ec);
    return marks_of(fd.get(), lockkit::version_content::when_recent, ec).of_state;
  };
  const auto put = [&](const char* name, std::uint64_t replaced, std::uint64_t staged) {
    std::error_code ec;
    const auto temporary = temporary_name("f", name_origin::born_locked, ec);
    const auto to = place / lockkit::detail::displaced_name(temporary.data(), {replaced, staged}).data();
    std::filesystem::rename(place / name, to);
    return to.filename().string();
  };
  testing::write_file(place / "old", "old");
  testing::write_file(place / "staged", "staged");
  testing::write_file(place / "other", "somebody's");
  const std::uint64_t replaced = marks(place / "old");
  const std::uint64_t staged = marks(place / "staged");
  const std::string other = put("other", replaced, staged);
  CHECK(sweep_staged(place.path()) == 0);
  std::filesystem::rename(place / other, place / "other");
  put("old", replaced, staged);
  CHECK(sweep_staged(place.path()) == 1);
  put("staged", replaced, staged);
  CHECK(sweep_staged(place.path()) == 1);
  put("other", replaced, staged);
  CHECK(sweep_staged(place.path()) == 0);
  CHECK(place.names() == std::set<std::string>{other});
}

TEST_CASE("another user's leftovers are left to that user, but root sweeps them") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user");
    return;
  }
  testing::scratch_directory place;
  std::filesystem::permissions(place.path(), std::filesystem::perms(0777));
  leave_behind(place, name_origin::born_locked);
  testing::child_process other([&] {
    if (::setgid(1000) != 0 || ::setuid(1000) != 0) return 98;
    return static_cast<int>(sweep_staged(place.path()));
  });
  CHECK(other.wait() == 0);
  CHECK(place.names().size() == 1);
  REQUIRE(::chown((place / *place.names().begin()).c_str(), 1000, 1000) == 0);
  CHECK(sweep_staged(place.path()) == 1);
}

TEST_CASE("writers go on undisturbed while others sweep all the time") {
  testing::scratch_directory place;
  testing::signal_pipe done;
  std::vector<testing::child_process> sweepers;
  for (int i = 0; i < 2; ++i) {
    sweepers.emplace_back([&] {
      while (!done.ready(0)) {
        if (sweep_staged(place.path()) != 0) return 1;
      }
      return 0;
    });
  }
  std::size_t failures = 0;
  for (int i = 0; i < 100; ++i) {
    for (const staging_route route : testing::both_routes) {
      std::error_code ec;
      testing::publish_by(route, place.path(), "content", durability::visible, publish_mode::replace, ec);
      if (ec) ++failures;
    }
  }
  CHECK(failures == 0);
  done.send();
  for (auto& sweeper : sweepers) CHECK(sweeper.wait() == 0);
  CHECK(place.names() == std::set<std::string>{"f"});
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("each call of a sweep failing once removes nothing wrong and leaks nothing") {
  namespace fault = lockkit::platform::fault;
  testing::scratch_directory place;
  const auto prepare = [&] {
    std::error_code ec;
    sweep_staged(place.path(), std::chrono::seconds(0), ec);
    leave_behind(place, name_origin::born_locked);
    leave_behind(place, name_origin::opened, std::chrono::hours(1));
    testing::write_file(place / "f", "kept");
  };
  prepare();
  std::error_code ec;
  fault::start_recording();
  CHECK(sweep_staged(place.path(), std::chrono::seconds(60), ec) == 2);
  const auto calls = fault::stop_recording();
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : {EIO, EMFILE, EACCES, EINTR}) {
      prepare();
      const std::size_t before = testing::open_descriptors();
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      const std::size_t removed = sweep_staged(place.path(), std::chrono::seconds(60), ec);
      fault::disarm();
      INFO(calls[i - 1] << " (call " << i << ") fails with errno " << error);
      CHECK(((removed == 2) == !ec));
      CHECK(removed + place.names().size() == 3);
      CHECK(testing::read_file(place / "f") == "kept");
      CHECK(testing::open_descriptors() == before);
    }
  }
}
#endif

TEST_CASE("a sweep of a directory that is none is an error") {
  testing::scratch_directory place;
  testing::write_file(place / "f", "kept");
  std::error_code ec;
  CHECK(sweep_staged(place / "missing", std::chrono::seconds(0), ec) == 0);
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK(sweep_staged(place / "f", std::chrono::seconds(0), ec) == 0);
  CHECK(ec == std::errc::not_a_directory);
  CHECK_THROWS_AS(sweep_staged(place / "missing"), lockkit::error);
}
