// Directories on the way to a published file: made on request, and on the disk when durable_path says so.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using lockkit::durability;
using lockkit::publish;
using lockkit::publish_options;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

namespace fs = std::filesystem;

constexpr publish_options with_parents{.create_parents = true};

std::error_code try_publish(const fs::path& target, durability level, const publish_options& options) {
  std::error_code ec;
  publish(target, testing::bytes("content"), level, options, ec);
  return ec;
}

}  // namespace

TEST_CASE("missing directories of the path are made on request, with links in it, and not otherwise") {
  const testing::scratch_directory place;
  CHECK(try_publish(place / "a/b/f", durability::visible, {}) == std::errc::no_such_file_or_directory);
  CHECK(place.names().empty());
  CHECK_FALSE(try_publish(place / "a/b/f", durability::visible, with_parents));
  CHECK(read_file(place / "a/b/f") == "content");
  fs::create_directory_symlink("a", place / "link");
  CHECK_FALSE(try_publish(place / "link/c/../d/f", durability::visible, with_parents));
  CHECK(read_file(place / "a/d/f") == "content");
  fs::create_symlink("nowhere/f", place / "dangling");
  const publish_options following{.symlinks = lockkit::symlink_policy::follow, .create_parents = true};
  CHECK(try_publish(place / "dangling", durability::visible, following) == std::errc::no_such_file_or_directory);
  write_file(place / "file", "kept");
  CHECK(try_publish(place / "file/f", durability::visible, with_parents) == std::errc::not_a_directory);
}

TEST_CASE("directories that others remove all the time are made again until something is staged there") {
  const testing::scratch_directory place(testing::memory_directory());
  testing::signal_pipe done;
  testing::child_process remover([&] {
    while (!done.ready(0)) {
      ::rmdir((place / "a/b").c_str());
      ::rmdir((place / "a").c_str());
    }
    return 0;
  });
  std::size_t failures = 0;
  for (int i = 0; i < 300; ++i) {
    std::error_code ec;
    const lockkit::staged_file staged(place / "a/b/f", with_parents, ec);
    if (ec) ++failures;
  }
  done.send();
  CHECK(remover.wait() == 0);
  CHECK(failures == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("durable_path syncs every directory up to the root of the mount, and durable the file's own") {
  const testing::scratch_mount mount("tmpfs");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  const auto syncs = [&](durability level) {
    fault::start_recording();
    CHECK_FALSE(try_publish(mount.path() / "a/b/c/f", level, with_parents));
    const auto calls = fault::stop_recording();
    return std::count(calls.begin(), calls.end(), "fsync");
  };
  CHECK(syncs(durability::durable) == 2);
  CHECK(syncs(durability::durable_path) == 5);  // the file, c, b, a, the root
  // Whoever made them: nobody knows whether that one has synced them.
  CHECK(syncs(durability::durable_path) == 5);
}

TEST_CASE("a directory above that can't be synced for a failing disk is published_not_durable") {
  const testing::scratch_directory place;
  for (std::uint64_t nth = 2; nth <= 3; ++nth) {
    fault::arm({.what = fault::action::fail, .name = "fsync", .nth = nth, .error = EIO});
    const std::error_code ec = try_publish(place / "a/f", durability::durable_path, with_parents);
    CHECK(fault::fired());
    fault::disarm();
    CHECK(ec == lockkit::errc::published_not_durable);
    CHECK(read_file(place / "a/f") == "content");
  }
  fault::arm({.what = fault::action::fail, .name = "fsync", .nth = 3, .error = EINVAL});  // not that kind of directory
  CHECK_FALSE(try_publish(place / "a/f", durability::durable_path, with_parents));
  fault::disarm();
}

TEST_CASE("each call of making parents and syncing them failing once gives a clean error or success") {
  const testing::scratch_directory place(testing::memory_directory());
  fault::start_recording();
  CHECK_FALSE(try_publish(place / "a/b/f", durability::durable_path, with_parents));
  const auto calls = fault::stop_recording();
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : {EIO, EMFILE, EACCES, EINTR}) {
      fs::remove_all(place / "a");
      const auto descriptors = testing::open_descriptors();
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      const std::error_code ec = try_publish(place / "a/b/f", durability::durable_path, with_parents);
      fault::disarm();
      INFO(calls[i - 1] << " (call " << i << ") fails with " << error << ": " << ec.message());
      const bool there = fs::exists(place / "a/b/f");
      CHECK(there == (!ec || ec == lockkit::errc::published_not_durable));
      if (there) CHECK(read_file(place / "a/b/f") == "content");
      CHECK(testing::open_descriptors() == descriptors);
    }
  }
}
#endif

TEST_CASE("directories above that a user may not list do not keep him from durable_path") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user");
    return;
  }
  const testing::scratch_directory place;
  fs::create_directories(place / "home/user");
  fs::permissions(place.path(), fs::perms(0755));
  fs::permissions(place / "home", fs::perms(0711));
  REQUIRE(::chown((place / "home/user").c_str(), 1000, 1000) == 0);
  testing::child_process user([&] {
    if (::setgid(1000) != 0 || ::setuid(1000) != 0) return 98;
    return try_publish(place / "home/user/a/f", durability::durable_path, with_parents) ? 1 : 0;
  });
  CHECK(user.wait() == 0);
}

TEST_CASE("killed at any system call while it makes parents, publish leaves directories or the file, and works again") {
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path target = place / "a/b/f";
  std::size_t published = 0;
  const auto body = [&] { publish(target, std::string_view("content"), durability::durable_path, with_parents); };
  const std::size_t points = testing::kill_at_every_call(
      [&] { fs::remove_all(place / "a"); }, body,
      [&](std::size_t) {
        if (fs::exists(target)) {
          ++published;
          CHECK(read_file(target) == "content");
        }
        body();
        CHECK(read_file(target) == "content");
        CHECK(lockkit::sweep_staged(place / "a/b") == 0);  // a new name: nothing is ever left
        CHECK(std::distance(fs::directory_iterator(place / "a/b"), fs::directory_iterator()) == 1);
      });
  CHECK(points > 15);
  CHECK(published >= 3);
}

TEST_CASE("after a power cut a file published at durable_path is there, whoever made its directories a moment ago") {
  const auto make_by_another = [](const fs::path& root) { lockkit::ensure_directory(root / "a/b"); };
  for (const bool by_another : {true, false}) {
    if (!by_another && testing::bystanders_to_try().size() <= 2) break;  // the long form
    testing::on_every_power_cut(
        testing::bystanders_to_try(), [](const fs::path&) {},
        [&](const fs::path& root) {
          if (by_another) make_by_another(root);
          publish(root / "a/b/f", std::string_view("content"), durability::durable_path, with_parents);
        },
        [&](const testing::power_cut& cut) {
          INFO(describe(cut) << (by_another ? ", made by another" : ""));
          const bool there = fs::exists(cut.root / "a/b/f");
          if (there) CHECK(read_file(cut.root / "a/b/f") == "content");
          if (cut.finished) CHECK(there);
        });
  }
}
