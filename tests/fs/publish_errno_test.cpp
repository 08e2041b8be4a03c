// What filesystems and kernels answer instead, each answer once, and what others have fallen over.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/if_unchanged.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using lockkit::publish_result;
using lockkit::detail::staging;
using lockkit::detail::staging_route;
using testing::bytes;
using testing::publish_by;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

TEST_CASE("two writers that are process 1, each in its own PID namespace, stage under different names") {
  if (testing::child_process([] { return ::unshare(CLONE_NEWPID) == 0 ? 0 : 77; }).wait() != 0) {
    WARN("PID namespaces are not permitted here");
    return;
  }
  const testing::scratch_directory place;
  const testing::held_directory directory(place.path());
  std::vector<testing::child_process> writers;
  testing::signal_pipe staged_both;
  testing::signal_pipe staged_one;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&, i] {
      if (::unshare(CLONE_NEWPID) != 0) return 77;
      return testing::child_process([&, i] {
               std::error_code ec;
               staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
               staged.append(bytes(std::string(10'000, static_cast<char>('a' + i))), ec);
               staged_one.send();
               staged_both.receive();
               staged.publish_as(directory.fd.get(), "f", publish_mode::replace, durability::visible, ec);
               return ::getpid() == 1 && !ec ? 0 : 1;
             })
          .wait();
    });
  }
  staged_one.receive();
  staged_one.receive();
  CHECK(place.names().size() == 2);
  staged_both.send();
  staged_both.send();
  for (auto& writer : writers) CHECK(writer.wait() == 0);
  const std::string found = read_file(place / "f");
  CHECK((found == std::string(10'000, 'a') || found == std::string(10'000, 'b')));
  CHECK(place.names() == std::set<std::string>{"f"});
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace {

struct armed {
  explicit armed(const fault::plan& plan) { fault::arm(plan); }
  ~armed() { fault::disarm(); }
};

}  // namespace

TEST_CASE("the directory is opened before the file is made, and nothing is opened after that") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  fault::start_recording();
  lockkit::publish(place / "f", std::string_view("new"), durability::durable);
  const auto calls = fault::stop_recording();
  CHECK(calls.front() == "openat");
  CHECK(std::count(calls.begin(), calls.end(), "openat") == 2);
  const auto written = std::find(calls.begin(), calls.end(), "write");
  CHECK(std::count(calls.begin(), written, "openat") == 2);
  CHECK(calls.back() == "fsync");
}

TEST_CASE("a replaced version is removed after its directory was synced, and not before") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  const auto version = lockkit::version_of(place / "f");
  fault::start_recording();
  lockkit::publish_if_unchanged(place / "f", "new", version,
                                {.level = durability::durable, .against = lockkit::rivals::any});
  const auto calls = fault::stop_recording();
  const auto removed = std::find(calls.begin(), calls.end(), "unlinkat");
  REQUIRE(removed != calls.end());
  CHECK(std::count(calls.begin(), removed, "fsync") == 2);
  CHECK(std::find(removed, calls.end(), "fsync") == calls.end());
}

TEST_CASE("a file that may not be linked by its descriptor goes through a named one, whatever the kernel calls it") {
  const testing::scratch_directory place;
  for (const int error : {ENOENT, EPERM, EOPNOTSUPP, ENOSYS, EINVAL, EMLINK}) {
    for (const bool exists : {false, true}) {
      std::filesystem::remove(place / "f");
      if (exists) write_file(place / "f", "old");
      const armed plan({.what = fault::action::fail, .name = "linkat", .times = 100, .error = error});
      lockkit::staged_file staged(place / "f", {.permissions = std::filesystem::perms(0640), .seal = true});
      staged.write("new");
      staged.commit(durability::durable);
      CHECK(fault::fired());
      CHECK(staged.report().seal == lockkit::seal_result::sealed);
      CHECK(read_file(place / "f") == "new");
      CHECK((std::filesystem::status(place / "f").permissions() & std::filesystem::perms::mask) ==
            std::filesystem::perms(0640));
      CHECK(place.names() == std::set<std::string>{"f"});
    }
  }
}

TEST_CASE("errors that say nothing about the filesystem are reported and not worked around") {
  const testing::scratch_directory place;
  for (const int error : {EACCES, EROFS, ENOSPC, EDQUOT, EXDEV, EIO, ENAMETOOLONG}) {
    for (const char* call : {"linkat", "renameat"}) {
      write_file(place / "f", "old");
      std::error_code ec;
      const armed plan({.what = fault::action::fail, .name = call, .times = 100, .error = error});
      publish_by(staging_route::automatic, place.path(), "new", durability::visible, publish_mode::replace, ec);
      CHECK(ec.value() == error);
      CHECK(read_file(place / "f") == "old");
      CHECK(place.names() == std::set<std::string>{"f"});
    }
  }
}

TEST_CASE("where locks don't work, files are staged and published without the mark") {
  const testing::scratch_directory place;
  for (const int error : {EOPNOTSUPP, ENOSYS, ENOLCK, EINVAL, EBADF}) {
    for (const staging_route route : testing::both_routes) {
      write_file(place / "f", "old");
      std::error_code ec;
      const armed plan({.what = fault::action::fail, .name = "flock", .times = 100, .error = error});
      publish_by(route, place.path(), "new", durability::durable, publish_mode::replace, ec);
      CHECK(fault::fired());
      CHECK_FALSE(ec);
      CHECK(read_file(place / "f") == "new");
    }
  }
}

TEST_CASE("a link that happened although its answer was lost is a success") {
  const testing::scratch_directory place;
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process served([&] {
    const testing::held_directory directory(place.path());
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec, {.route = staging_route::named});
    staged.append(bytes("new"), ec);
    fault::arm({.what = fault::action::stop,
                .name = "renameat2",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    const publish_result result =
        staged.publish_as(directory.fd.get(), "f", publish_mode::if_absent, durability::visible, ec);
    return !ec && result == publish_result::published ? 0 : 1;
  });
  reached.receive();
  std::filesystem::create_hard_link(place / *place.names().begin(), place / "f");  // what the server did
  resume.send();
  CHECK(served.wait() == 0);
  CHECK(read_file(place / "f") == "new");
  CHECK(place.names() == std::set<std::string>{"f"});
}

TEST_CASE("a filesystem that reserves no blocks is no error, one that has none left is") {
  const testing::scratch_directory place;
  const testing::held_directory directory(place.path());
  for (const int error : {EOPNOTSUPP, ENOSYS, ENOSPC, EDQUOT}) {
    std::error_code ec;
    staging staged(directory.fd.get(), "f", ec);
    const armed plan({.what = fault::action::fail, .name = "fallocate", .error = error});
    staged.reserve(100'000, ec);
    CHECK((ec.value() == error) == (error == ENOSPC || error == EDQUOT));
  }
}
#endif
