#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::forbidden;
namespace fs = std::filesystem;

namespace {

fs::perms mode_of(const fs::path& path) {
  return fs::status(path).permissions();
}

}  // namespace

TEST_CASE("a cache directory is made with its parents, private, and tagged for backups") {
  testing::scratch_directory place;
  mirror_cache cache(place / "deep" / "er" / "cache");
  CHECK(mode_of(place / "deep/er/cache") == fs::perms::owner_all);
  CHECK(testing::read_file(place / "deep/er/cache/CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d1727"));
  const cache_entry entry = cache.get("key", brings("x"));
  for (const char* part : {"b", "k", "l", "t"}) CHECK(mode_of(cache.directory() / part) == fs::perms::owner_all);
  CHECK(mode_of(entry.path()) == static_cast<fs::perms>(0400));
}

TEST_CASE("a group's cache has the mode that was asked for, and locks that the group can take") {
  testing::scratch_directory place;
  const auto mode = static_cast<fs::perms>(0770);
  mirror_cache cache(place / "cache", {.mode = mode});
  (void)cache.get("key", brings("x"));
  CHECK(mode_of(place / "cache") == mode);
  CHECK(mode_of(place / "cache/b") == mode);
  CHECK(mode_of(place / "cache/gate") == static_cast<fs::perms>(0660));
}

TEST_CASE("a directory with a person's files is not tagged as a cache") {
  testing::scratch_directory place;
  testing::write_file(place / "letter", "dear");
  mirror_cache cache(place.path());
  CHECK_FALSE(fs::exists(place / "CACHEDIR.TAG"));
  CHECK(content_of(cache.get("key", brings("x"))) == "x");
}

TEST_CASE("bad cache directories are clear errors") {
  testing::scratch_directory place;
  testing::write_file(place / "file", "data");
  const auto code_for = [](const fs::path& path) {
    std::error_code ec;
    const mirror_cache cache(path, {}, ec);
    return ec;
  };
  CHECK(code_for("") == errc::invalid_name);
  CHECK(code_for(std::string("a\0b", 3)) == errc::invalid_name);
  CHECK(code_for(place / "file") == std::errc::not_a_directory);
  CHECK(code_for(place / "file" / "cache") == std::errc::not_a_directory);
  CHECK(code_for(place / std::string(256, 'n')) == std::errc::filename_too_long);
  CHECK_THROWS_AS(mirror_cache(place / "file"), error);
  CHECK(testing::read_file(place / "file") == "data");
}

TEST_CASE("a cache that may not be written serves hits and refuses misses") {
  testing::scratch_directory place;
  (void)mirror_cache(place / "cache", {.mode = fs::perms(0755)}).get("key", brings("content"));
  testing::child_process child([&] {
    // Not as root, whom permissions don't stop.
    fs::permissions(place.path(), static_cast<fs::perms>(0755));
    for (const auto& entry : fs::recursive_directory_iterator(place.path())) {
      if (entry.is_directory()) fs::permissions(entry.path(), static_cast<fs::perms>(0555));
    }
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 2;
    mirror_cache cache(place / "cache");
    if (content_of(cache.get("key", forbidden())) != "content") return 3;
    if (cache.list().size() != 1 || !cache.verify().empty()) return 4;
    if (code_of([&] { (void)cache.get("other", brings("x")); }) != std::errc::permission_denied) return 5;
    if (code_of([&] { (void)cache.remove("key"); }) != std::errc::permission_denied) return 6;
    return 0;
  });
  CHECK(child.wait() == 0);
  for (const auto& entry : fs::recursive_directory_iterator(place.path())) {
    if (entry.is_directory()) fs::permissions(entry.path(), fs::perms::owner_all);
  }
}

TEST_CASE("a cache directory that is removed, or renamed and made anew, is noticed at once") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry kept = cache.get("key", brings("1"));
  fs::remove_all(place / "cache");
  CHECK(code_of([&] { (void)cache.get("key", {}, fetch_policy::never()); }) == errc::not_cached);
  CHECK(content_of(cache.get("key", brings("2"))) == "2");
  CHECK(mode_of(place / "cache") == fs::perms::owner_all);
  CHECK(content_of(kept) == "1");
  fs::rename(place / "cache", place / "moved");
  fs::create_directory(place / "cache");
  CHECK(content_of(cache.get("key", brings("3"))) == "3");
  CHECK(content_of(mirror_cache(place / "moved").get("key", forbidden())) == "2");
}

TEST_CASE("a cache directory that is removed during a fetch costs nothing but the cached copy of others") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const cache_entry entry = cache.get("key", [&](fetch_sink& sink) {
    sink.write("con");
    fs::remove_all(place / "cache");
    sink.write("tent");
  });
  CHECK(content_of(entry) == "content");
  CHECK(content_of(cache.get("key", forbidden())) == "content");
}

TEST_CASE("several objects, in this process and in a forked child, work on one cache") {
  testing::scratch_directory place;
  mirror_cache first(place / "cache");
  mirror_cache second(place / "cache" / ".");
  (void)first.get("key", brings("content"));
  CHECK(content_of(second.get("key", forbidden())) == "content");
  testing::child_process child([&] {
    if (content_of(first.get("key", forbidden())) != "content") return 1;
    return content_of(first.get("of the child", brings("c"))) == "c" ? 0 : 2;
  });
  CHECK(child.wait() == 0);
  CHECK(content_of(second.get("of the child", forbidden())) == "c");
}

TEST_CASE("no descriptor stays open but those of entries") {
  testing::scratch_directory place;
  const std::size_t before = testing::open_descriptors();
  mirror_cache cache(place / "cache");
  (void)cache.get("key", brings("1"));
  (void)cache.get("key", brings("2"), fetch_policy::always());
  (void)cache.fetch_and_mirror("key", place / "mirror", forbidden());
  (void)cache.verify(true);
  (void)cache.remove("key");
  CHECK(testing::open_descriptors() == before);
  const cache_entry entry = cache.get("key", brings("3"));
  const cache_entry copy = entry;
  CHECK(testing::open_descriptors() == before + 1);
}
