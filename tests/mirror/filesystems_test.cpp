#include <sys/mount.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::forbidden;
using testing::read_file;
using testing::scratch_mount;
namespace fs = std::filesystem;

namespace {

/// Mounting needs root and a kernel that knows the filesystem.
bool missing(const scratch_mount& mount, const char* what) {
  if (!mount.mounted()) WARN("skipped: " << what << " can't be mounted here");
  return !mount.mounted();
}

}  // namespace

TEST_CASE("a full disk keeps the old content and is clean afterwards") {
  scratch_mount small("tmpfs", "size=512k");
  if (missing(small, "tmpfs")) return;
  mirror_cache cache(small.path() / "cache");
  (void)cache.get("key", brings("old"));
  const auto before = testing::files_of_cache(small.path() / "cache");
  const std::string big(600'000, 'b');
  CHECK(code_of([&] { (void)cache.get("key", brings(big), fetch_policy::always()); }) == std::errc::no_space_on_device);
  int written = 0;
  const auto announcing = [&](fetch_sink& sink) {
    sink.expect_size(big.size());
    ++written;
  };
  CHECK(code_of([&] { (void)cache.get("key", announcing, fetch_policy::always()); }) == std::errc::no_space_on_device);
  CHECK(written == 0);  // told before anything was transferred
  const auto swallowing = [&](fetch_sink& sink) {
    try {
      sink.write(big);
    } catch (...) {
    }
    (void)code_of([&] { sink.write("small end"); });
  };
  CHECK(code_of([&] { (void)cache.get("key", swallowing, fetch_policy::always()); }) == std::errc::no_space_on_device);
  CHECK(testing::files_of_cache(small.path() / "cache") == before);
  CHECK(content_of(cache.get("key", forbidden())) == "old");
  CHECK(content_of(cache.get("key", brings("new"), fetch_policy::always())) == "new");
}

TEST_CASE("a full disk at the destination keeps what stands there") {
  scratch_mount small("tmpfs", "size=512k");
  if (missing(small, "tmpfs")) return;
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry entry = cache.get("key", brings(std::string(600'000, 'b')));
  testing::write_file(small.path() / "mirror", "old");
  CHECK(code_of([&] { cache.mirror(entry, small.path() / "mirror", {.overwrite = true}); }) ==
        std::errc::no_space_on_device);
  CHECK(code_of([&] { cache.mirror(entry, small.path() / "other"); }) == std::errc::no_space_on_device);
  CHECK(read_file(small.path() / "mirror") == "old");
  CHECK(std::distance(fs::directory_iterator(small.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("filesystems that can clone clone, and the clone is its owner's alone") {
  for (const char* kind : {"xfs", "btrfs"}) {
    scratch_mount disk(kind);
    if (missing(disk, kind)) continue;
    mirror_cache cache(disk.path() / "cache");
    const std::string text(100'000, 'c');
    const cache_entry entry = cache.get("key", brings(text));
    CHECK(cache.mirror(entry, disk.path() / "mirror", {.level = durability::durable}) == mirror_result::cloned);
    CHECK(read_file(disk.path() / "mirror") == text);
    testing::write_file(disk.path() / "mirror", "edited");
    CHECK(content_of(entry) == text);
    CHECK(cache.mirror(entry, disk.path() / "program", {.permissions = static_cast<fs::perms>(0755)}) ==
          mirror_result::cloned);
    CHECK(fs::status(disk.path() / "program").permissions() == static_cast<fs::perms>(0755));
    CHECK(cache.mirror(entry, disk.path() / "link", {.link = mirror_link::hard_link}) == mirror_result::hard_linked);
    CHECK(cache.verify(true).empty());
  }
}

TEST_CASE("a mirror on another filesystem is copied, a link as well") {
  scratch_mount other("tmpfs");
  if (missing(other, "tmpfs")) return;
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry entry = cache.get("key", brings(std::string(3'000'000, 'c')));
  CHECK(cache.mirror(entry, other.path() / "mirror") == mirror_result::copied);
  CHECK(cache.mirror(entry, other.path() / "link", {.link = mirror_link::hard_link}) == mirror_result::copied);
  CHECK(read_file(other.path() / "mirror") == content_of(entry));
}

TEST_CASE("a cache on a filesystem that is mounted read-only serves hits, lists and verifies") {
  scratch_mount disk("tmpfs");
  if (missing(disk, "tmpfs")) return;
  (void)mirror_cache(disk.path() / "cache").get("key", brings("content"));
  REQUIRE(::mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  testing::scratch_directory place;
  mirror_cache cache(disk.path() / "cache");
  CHECK(content_of(cache.get("key", forbidden())) == "content");
  (void)cache.fetch_and_mirror("key", place / "mirror", forbidden());
  CHECK(read_file(place / "mirror") == "content");
  CHECK(cache.list().size() == 1);
  CHECK(cache.verify().empty());
  CHECK(code_of([&] { (void)cache.get("other", brings("x")); }) == std::errc::read_only_file_system);
  CHECK(code_of([&] { (void)cache.get("key", brings("x"), fetch_policy::always()); }) ==
        std::errc::read_only_file_system);
  CHECK(code_of([&] { cache.remove("key"); }) == std::errc::read_only_file_system);
  std::error_code ec;
  const mirror_cache absent(disk.path() / "absent", {}, ec);
  CHECK(ec);
}

TEST_CASE(
    "a content with as many links as its filesystem allows gets a fresh inode, and is copied while it is leased") {
  scratch_mount disk("ext4", "", 64);
  if (missing(disk, "ext4")) return;
  mirror_cache cache(disk.path() / "cache");
  const cache_entry entry = cache.get("key", brings("content"));
  std::error_code full;
  for (int i = 0; !full && i < 70'000; ++i) {
    fs::create_hard_link(entry.path(), disk.path() / ("link" + std::to_string(i)), full);
  }
  REQUIRE(full == std::errc::too_many_links);
  constexpr mirror_options linking{.link = mirror_link::hard_link};
  {
    const cache_lease lease = cache.lease("key", forbidden());
    CHECK(cache.mirror(entry, disk.path() / "copy", linking) == mirror_result::copied);
    CHECK(fs::hard_link_count(entry.path()) > 60'000);
  }
  CHECK(cache.mirror(entry, disk.path() / "mirror", linking) == mirror_result::hard_linked);
  CHECK(fs::hard_link_count(entry.path()) == 2);
  CHECK(fs::hard_link_count(disk.path() / "link0") > 60'000);
  CHECK(read_file(disk.path() / "mirror") + content_of(entry) == "contentcontent");
  CHECK(cache.mirror(cache.get("key", forbidden()), disk.path() / "next", linking) == mirror_result::hard_linked);
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(disk.path() / "cache").size() == 2);
}

TEST_CASE("through a bind mount nothing can be linked, which is remembered for that mount alone") {
  testing::scratch_directory place;
  fs::create_directories(place / "real");
  fs::create_directories(place / "bound");
  if (::mount((place / "real").c_str(), (place / "bound").c_str(), nullptr, MS_BIND, nullptr) != 0) {
    WARN("skipped: bind mounts are not permitted here");
    return;
  }
  {
    mirror_cache cache(place / "cache");
    const cache_entry entry = cache.get("key", brings("content"));
    constexpr mirror_options linking{.link = mirror_link::hard_link};
    for (const char* name : {"one", "two"}) {
      CHECK(cache.mirror(entry, place / "bound" / name, linking) == mirror_result::copied);
      CHECK(cache.mirror(entry, place / "real" / (std::string(name) + "linked"), linking) ==
            mirror_result::hard_linked);
    }
    CHECK(read_file(place / "real" / "one") == "content");
  }
  CHECK(::umount((place / "bound").c_str()) == 0);
}
