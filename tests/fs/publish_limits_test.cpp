#include <sys/mount.h>
#include <unistd.h>

#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using lockkit::publish_result;
using testing::both_routes;
using testing::every_level;
using testing::held_directory;
using testing::publish_by;
using testing::read_file;
using testing::write_file;

namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

/// Content that shows any mixture: its length first, then one letter for all the rest.
std::string telling_content(unsigned writer, unsigned round) {
  const std::size_t length = 1 + (round * 7919 + writer * 104729) % 20'000;
  return std::to_string(length) + ":" + std::string(length, static_cast<char>('a' + (round + writer) % 26));
}

bool is_whole(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return false;
  const std::string body = text.substr(colon + 1);
  return body.size() == std::stoul(text) && body.find_first_not_of(body.front()) == std::string::npos;
}

}  // namespace

TEST_CASE("a full disk keeps the old file, whole, and leaves nothing") {
  const testing::scratch_mount mount("tmpfs", "size=256k");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  const std::string old(100'000, 'o');
  const std::string too_much(400'000, 'n');
  for (const auto route : both_routes) {
    write_file(mount.path() / "f", old);
    std::error_code ec;
    publish_by(route, mount.path(), too_much, durability::visible, publish_mode::replace, ec);
    CHECK(ec == std::errc::no_space_on_device);
    CHECK(read_file(mount.path() / "f") == old);
    CHECK(names_in(mount.path()) == std::set<std::string>{"f"});
    publish_by(route, mount.path(), "small", durability::visible, publish_mode::replace, ec);
    CHECK_FALSE(ec);
  }
}

TEST_CASE("a disk known to be too small is refused before the work is done") {
  const testing::scratch_mount mount("tmpfs", "size=64k");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  const held_directory directory(mount.path());
  std::error_code ec;
  lockkit::detail::staging staged(directory.fd.get(), "f", ec);
  staged.reserve(1'000'000, ec);
  CHECK(ec == std::errc::no_space_on_device);
}

TEST_CASE("a filesystem without free inodes keeps the old file") {
  const testing::scratch_mount mount("tmpfs", "nr_inodes=2");  // the root directory and one file
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  write_file(mount.path() / "f", "old");
  for (const auto route : both_routes) {
    std::error_code ec;
    publish_by(route, mount.path(), "new", durability::durable, publish_mode::replace, ec);
    CHECK(ec == std::errc::no_space_on_device);
    CHECK(read_file(mount.path() / "f") == "old");
  }
}

TEST_CASE("a read-only filesystem says so and stays as it is") {
  const testing::scratch_mount mount("tmpfs");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  write_file(mount.path() / "f", "old");
  REQUIRE(::mount(nullptr, mount.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  for (const auto route : both_routes) {
    std::error_code ec;
    publish_by(route, mount.path(), "new", durability::visible, publish_mode::replace, ec);
    CHECK(ec == std::errc::read_only_file_system);
    CHECK(read_file(mount.path() / "f") == "old");
  }
}

TEST_CASE("a file can't be published across mounts, not even of one filesystem") {
  const testing::scratch_mount mount("tmpfs");
  testing::scratch_directory place;
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  fs::create_directory(place / "real");
  fs::create_directory(place / "bound");
  REQUIRE(::mount((place / "real").c_str(), (place / "bound").c_str(), nullptr, MS_BIND, nullptr) == 0);
  for (const auto route : both_routes) {
    for (const fs::path& other : {mount.path(), place / "bound"}) {
      write_file(other / "f", "old");
      const held_directory from(place / "real");
      const held_directory to(other);
      for (const char* name : {"f", "absent"}) {
        std::error_code ec;
        lockkit::detail::staging staged(from.fd.get(), name, ec, {.route = route});
        staged.append(testing::bytes("new"), ec);
        staged.publish_as(to.fd.get(), name, publish_mode::replace, durability::visible, ec);
        CHECK(ec == std::errc::cross_device_link);
      }
      CHECK(read_file(other / "f") == "old");
      CHECK(names_in(other) == std::set<std::string>{"f"});
    }
  }
  CHECK(names_in(place / "real") == std::set<std::string>{"f"});  // of the bind mount
  ::umount2((place / "bound").c_str(), MNT_DETACH);
}

TEST_CASE("every journalled filesystem publishes by both routes at each level") {
  for (const char* kind : {"ext4", "xfs", "btrfs"}) {
    const testing::scratch_mount mount(kind);
    if (!mount.mounted()) {
      WARN("cannot make and mount " << kind << " here");
      continue;
    }
    for (const auto route : both_routes) {
      for (const durability level : every_level) {
        INFO(kind);
        fs::remove(mount.path() / "f");
        const auto before = names_in(mount.path());  // ext4 has lost+found
        for (const char* content : {"first", "second"}) {
          std::error_code ec;
          publish_by(route, mount.path(), content, level, publish_mode::replace, ec);
          CHECK_FALSE(ec);
          CHECK(read_file(mount.path() / "f") == content);
          const auto again = publish_by(route, mount.path(), "x", level, publish_mode::if_absent, ec);
          CHECK(again == publish_result::already_exists);
          CHECK(names_in(mount.path()).size() == before.size() + 1);
        }
      }
    }
  }
}

TEST_CASE("readers never see a mixture while two threads publish different sizes") {
  testing::scratch_directory place;
  const fs::path target = place / "f";
  write_file(target, telling_content(0, 0));
  testing::signal_pipe done;
  testing::signal_pipe looked;
  testing::child_process reader([&] {
    int rounds = 0;
    while (!done.ready(0)) {
      const std::string text = read_file(target);
      if (!is_whole(text)) return 1;
      if (++rounds == 1) looked.send();
    }
    return 0;
  });
  looked.receive();
  const auto publish_many = [&](unsigned writer, std::size_t& failures) {
    for (unsigned round = 0; round < 500; ++round) {
      std::error_code ec;
      const std::string content = telling_content(writer, round);
      lockkit::publish(target, testing::bytes(content), durability::visible, {}, ec);
      if (ec) ++failures;
    }
  };
  std::size_t failures[2] = {0, 0};
  std::thread first(publish_many, 1, std::ref(failures[0]));
  std::thread second(publish_many, 2, std::ref(failures[1]));
  first.join();
  second.join();
  done.send();
  CHECK(reader.wait() == 0);
  CHECK(failures[0] + failures[1] == 0);
  CHECK(place.names() == std::set<std::string>{"f"});
}

TEST_CASE("of many processes that publish if_absent, one succeeds, and its content stays") {
  testing::scratch_directory place;
  for (int round = 0; round < 20; ++round) {
    const fs::path target = place / std::to_string(round);
    std::vector<testing::child_process> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([&target, i] {
        const auto result =
            lockkit::publish(target, std::to_string(i), durability::visible, {.mode = publish_mode::if_absent});
        return result == publish_result::published ? 10 + i : 0;
      });
    }
    std::vector<int> winners;
    for (auto& child : children) {
      const int code = child.wait();
      if (code != 0) winners.push_back(code - 10);
    }
    REQUIRE(winners.size() == 1);
    CHECK(read_file(target) == std::to_string(winners.front()));
  }
}
