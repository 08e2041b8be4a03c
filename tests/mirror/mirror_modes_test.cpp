#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::forbidden;
using testing::read_file;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;

namespace {

constexpr mirror_options isolated{};
constexpr mirror_options copying{.link = mirror_link::copy};
constexpr mirror_options linking{.link = mirror_link::hard_link};

bool is_copy(mirror_result result) {
  return result == mirror_result::copied || result == mirror_result::cloned;
}

struct fixture {
  testing::scratch_directory place;
  mirror_cache cache{place / "cache"};
  cache_entry entry = cache.get("key", brings("content"));
  int made = 0;

  /// One more mirror, while the `nth` call named `call` fails.
  mirror_result mirror_with(const char* call, int error, const mirror_options& how, std::uint64_t nth = 1) {
    fault::arm({.what = fault::action::fail, .name = call, .nth = nth, .error = error});
    std::error_code ec;
    const fs::path destination = place / std::to_string(++made);
    const mirror_result result = cache.mirror(entry, destination, how, ec);
    fired = fault::fired();
    fault::disarm();
    code = ec;
    if (!ec) CHECK(read_file(destination) == "content");
    if (ec) CHECK_FALSE(fs::exists(destination));
    return result;
  }
  /// How often one more mirror makes that call.
  std::ptrdiff_t calls_of(const char* call, const mirror_options& how) {
    fault::start_recording();
    cache.mirror(entry, place / std::to_string(++made), how);
    const auto calls = fault::stop_recording();
    return std::count(calls.begin(), calls.end(), call);
  }
  /// Nothing is remembered by it.
  void forget() { cache = mirror_cache(place / "cache"); }

  bool fired = false;
  std::error_code code;
};

}  // namespace

TEST_CASE_METHOD(fixture, "what forbids one link forbids no other") {
  for (const int reason : {EAGAIN, ENOENT, ETXTBSY}) {
    INFO("error " << reason);
    CHECK(is_copy(mirror_with("linkat", reason, linking)));
    CHECK(fired);
    CHECK(cache.mirror(entry, place / ("linked" + std::to_string(reason)), linking) == mirror_result::hard_linked);
  }
}

TEST_CASE_METHOD(fixture, "what forbids all links between two mounts is met once and remembered") {
  for (const int reason : {EXDEV, EOPNOTSUPP, ENOTTY, ENOSYS, EINVAL, EPERM, EACCES, EBADF}) {
    INFO("error " << reason);
    forget();
    CHECK(is_copy(mirror_with("linkat", reason, linking)));
    CHECK(fired);
    CHECK(is_copy(mirror_with("none", 0, linking)));
    forget();
    CHECK(mirror_with("none", 0, linking) == mirror_result::hard_linked);
  }
}

TEST_CASE_METHOD(fixture, "a directory that may not be written is no reason to link nowhere else") {
  fault::arm({.what = fault::action::fail, .name = "linkat", .times = 100, .error = EACCES});
  std::error_code ec;
  cache.mirror(entry, place / "mirror", linking, ec);
  fault::disarm();
  CHECK(ec == std::errc::permission_denied);  // the copy's
  CHECK(cache.mirror(entry, place / "mirror", linking) == mirror_result::hard_linked);
}

TEST_CASE_METHOD(fixture, "what a copy would fail with as well is the error, whatever was asked for") {
  for (const int reason : {EIO, ENOSPC, EDQUOT, EROFS, EMFILE, ENOMEM}) {
    INFO("error " << reason);
    mirror_with("linkat", reason, linking);
    CHECK(code.value() == reason);
    mirror_with("ioctl", reason, isolated);
    CHECK(code.value() == reason);
    CHECK(mirror_with("none", 0, linking) == mirror_result::hard_linked);
  }
}

TEST_CASE_METHOD(fixture, "what forbids one clone makes one copy, what forbids all is met once") {
  for (const int reason : {EAGAIN, ETXTBSY}) {
    forget();
    CHECK(mirror_with("ioctl", reason, isolated) == mirror_result::copied);
    CHECK(calls_of("ioctl", isolated) == 1);
  }
  for (const int reason : {EXDEV, EOPNOTSUPP, ENOTTY, ENOSYS, EINVAL, EPERM, EACCES, EBADF}) {
    INFO("error " << reason);
    forget();
    CHECK(mirror_with("ioctl", reason, isolated) == mirror_result::copied);
    CHECK(fired);
    CHECK(calls_of("ioctl", isolated) == 0);
  }
}

TEST_CASE_METHOD(fixture, "whatever forbids a copy in the kernel makes a plain one") {
  for (const int reason : {EXDEV, EOPNOTSUPP, ENOTTY, ENOSYS, EINVAL, EPERM, EACCES, EBADF, EAGAIN, ETXTBSY}) {
    INFO("error " << reason);
    forget();
    mirror_with("ioctl", EOPNOTSUPP, isolated);
    CHECK(mirror_with("copy_file_range", reason, isolated) == mirror_result::copied);
    CHECK(fired);
    CHECK_FALSE(code);
  }
}

TEST_CASE_METHOD(fixture, "who asks for a copy gets neither a clone nor what the kernel takes for a copy") {
  fault::start_recording();
  CHECK(cache.mirror(entry, place / "copy", copying) == mirror_result::copied);
  const auto calls = fault::stop_recording();
  CHECK(std::count(calls.begin(), calls.end(), "ioctl") == 0);
  CHECK(std::count(calls.begin(), calls.end(), "copy_file_range") == 0);
  CHECK(cache.mirror(entry, place / "linked", linking) == mirror_result::hard_linked);
  const mirror_options over{.link = mirror_link::copy, .overwrite = true};
  CHECK(cache.mirror(entry, place / "linked", over) == mirror_result::copied);
  CHECK(fs::hard_link_count(entry.path()) == 1);
}

TEST_CASE_METHOD(fixture, "too many links: the content gets a fresh inode and is linked; old links stay as they are") {
  cache.mirror(entry, place / "before", linking);
  CHECK(mirror_with("linkat", EMLINK, linking) == mirror_result::hard_linked);
  CHECK(fired);
  CHECK(fs::hard_link_count(entry.path()) == 2);
  CHECK(fs::hard_link_count(place / "before") == 1);
  CHECK(content_of(entry) == "content");
  entry = cache.get("key", forbidden());
  const cache_lease lease(entry);
  fault::arm({.what = fault::action::fail, .name = "linkat", .times = 2, .error = EMLINK});
  CHECK(is_copy(cache.mirror(entry, place / "leased", linking)));  // no second name that the lease could count by
  fault::disarm();
  CHECK(fs::hard_link_count(entry.path()) == 2);
  CHECK(cache.verify(true).empty());
}

TEST_CASE_METHOD(fixture, "a damaged content is not given a fresh inode") {
  testing::damage(entry.path(), "CONTENT");
  fault::arm({.what = fault::action::fail, .name = "linkat", .error = EMLINK});
  CHECK(is_copy(cache.mirror(entry, place / "mirror", linking)));
  CHECK(fs::hard_link_count(entry.path()) == 1);
}

namespace {

/// Overwrites the unnamed file that another process is writing in `directory`, as a kernel that copies zeros does.
bool write_zeros_into(int pid, const fs::path& directory) {
  for (const auto& each : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    const std::string target = fs::read_symlink(each.path());
    if (!target.starts_with(directory.string()) || !target.ends_with(" (deleted)")) continue;
    const int fd = ::open(each.path().c_str(), O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && ::pwrite(fd, "\0\0\0", 3, 0) == 3;
    ::close(fd);
    return written;
  }
  return false;
}

}  // namespace

TEST_CASE_METHOD(fixture,
                 "zeros that the kernel put into a copy are found by reading it back, and the copy is made anew") {
  mirror_with("ioctl", EOPNOTSUPP, isolated);  // no clones from here on
  for (const mirror_verify verify : {mirror_verify::none, mirror_verify::content}) {
    const fs::path destination = place / std::to_string(++made);
    testing::signal_pipe reached;
    testing::signal_pipe resume;
    testing::child_process mirroring([&] {
      fault::arm({.what = fault::action::stop,
                  .name = verify == mirror_verify::none ? "linkat" : "pread64",
                  .nth = verify == mirror_verify::none ? 1U : 2U,  // the first looks for more than was copied
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
      mirror_options how;
      how.verify = verify;
      return cache.mirror(entry, destination, how) == mirror_result::copied ? 0 : 1;
    });
    reached.receive();
    const bool damaged = write_zeros_into(mirroring.pid(), place.path());
    resume.send();
    CHECK(mirroring.wait() == 0);
    if (!damaged) {
      WARN("skipped: no unnamed files here");
      return;
    }
    const std::string wrong("\0\0\0tent", 7);
    CHECK(read_file(destination) == (verify == mirror_verify::none ? wrong : "content"));
  }
}

TEST_CASE_METHOD(fixture, "a damaged content is not mirrored in any way by who wants it verified") {
  mirror_options verified;
  verified.verify = mirror_verify::content;
  CHECK(is_copy(cache.mirror(entry, place / "right", verified)));
  testing::damage(entry.path(), "CONTENT");
  for (const mirror_link link : {mirror_link::isolated, mirror_link::copy, mirror_link::hard_link}) {
    verified.link = link;
    std::error_code ec;
    cache.mirror(entry, place / "wrong", verified, ec);
    CHECK(ec == errc::integrity_mismatch);
    CHECK_FALSE(fs::exists(place / "wrong"));
  }
  CHECK(cache.mirror(entry, place / "wrong", linking) == mirror_result::hard_linked);
  std::error_code ec;
  cache.mirror(entry, place / "wrong", verified, ec);
  CHECK(ec == errc::integrity_mismatch);  // it stands already, and is damaged
}
#endif
