#include "platform/fault.hpp"

#include <fcntl.h>

#include <algorithm>

#include "platform/platform.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)
using namespace lockkit::platform;

TEST_CASE("an armed plan fails the N-th call of its name once, and EINTR is retried") {
  testing::scratch_directory place;
  std::error_code ec;
  const unique_fd fd = open_at(AT_FDCWD, (place / "f").c_str(), O_CREAT | O_RDWR, 0600, ec);
  REQUIRE_FALSE(ec);
  fault::arm({.what = fault::action::fail, .name = "fsync", .nth = 2, .error = EIO});
  sync_file(fd.get(), ec);
  CHECK_FALSE(ec);
  sync_file(fd.get(), ec);
  CHECK(ec == std::errc::io_error);
  sync_file(fd.get(), ec);
  CHECK_FALSE(ec);
  fault::arm({.what = fault::action::fail, .name = "fsync", .error = EINTR});
  sync_file(fd.get(), ec);
  CHECK_FALSE(ec);
  CHECK(fault::fired());
  fault::disarm();
}

TEST_CASE("a short write is completed") {
  testing::scratch_directory place;
  std::error_code ec;
  const unique_fd fd = open_at(AT_FDCWD, (place / "f").c_str(), O_CREAT | O_RDWR, 0600, ec);
  fault::arm({.what = fault::action::shorten, .name = "write", .bytes = 3});
  write_all(fd.get(), std::as_bytes(std::span("0123456789", 10)), ec);
  fault::disarm();
  CHECK_FALSE(ec);
  CHECK(testing::read_file(place / "f") == "0123456789");
}

TEST_CASE("a process stops at a named point until it is told to go on") {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::signal_pipe passed;
  testing::child_process child([&] {
    fault::arm({.what = fault::action::stop,
                .name = "here",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    fault::point("elsewhere");
    fault::point("here");
    passed.send();
    return 0;
  });
  reached.receive();
  CHECK_FALSE(passed.ready(0));
  resume.send();
  passed.receive();
  CHECK(child.wait() == 0);
}

TEST_CASE("the sweep visits every system call of a body and kills before it takes effect") {
  testing::scratch_directory place;
  const auto file = place / "f";
  std::vector<bool> existed;
  const auto body = [&] {
    std::error_code ec;
    const unique_fd fd = open_at(AT_FDCWD, file.c_str(), O_CREAT | O_RDWR, 0600, ec);
    write_all(fd.get(), std::as_bytes(std::span("x", 1)), ec);
  };
  const auto points =
      testing::kill_at_every_call([&] { std::filesystem::remove(file); }, body,
                                  [&](std::size_t) { existed.push_back(std::filesystem::exists(file)); });
  CHECK(points >= 3);  // openat, write, close; a sanitizer may add calls of its own
  CHECK_FALSE(existed.front());
  CHECK(existed.back());
  CHECK(std::is_sorted(existed.begin(), existed.end()));
  CHECK(testing::read_file(file) == "x");
}
#endif
