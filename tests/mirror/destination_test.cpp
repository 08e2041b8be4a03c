#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::code_of;
using testing::content_of;
using testing::read_file;
using testing::write_file;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  mirror_cache cache{place / "cache"};
  cache_entry entry = cache.get("key", brings("content"));

  std::error_code code(const fs::path& destination, const mirror_options& options = {}) {
    std::error_code ec;
    cache.mirror(entry, destination, options, ec);
    return ec;
  }
};

constexpr mirror_options overwriting{.overwrite = true};
constexpr mirror_options linking{.link = mirror_link::hard_link};
constexpr mirror_options linking_over{.link = mirror_link::hard_link, .overwrite = true};

struct stat status_of(const fs::path& path) {
  struct stat found{};
  ::lstat(path.c_str(), &found);
  return found;
}

bool is_copy(mirror_result result) {
  return result == mirror_result::copied || result == mirror_result::cloned;
}

}  // namespace

TEST_CASE_METHOD(fixture, "a mirror is an independent, writable copy under the umask") {
  CHECK(is_copy(cache.mirror(entry, place / "a" / "b" / "mirror")));
  CHECK(read_file(place / "a/b/mirror") == "content");
  CHECK((status_of(place / "a/b/mirror").st_mode & 0200) != 0);
  write_file(place / "a/b/mirror", "edited");
  CHECK(content_of(entry) == "content");
  CHECK(read_file(entry.path()) == "content");
}

TEST_CASE_METHOD(fixture, "a mirror has the permissions that were asked for") {
  cache.mirror(entry, place / "program", {.permissions = static_cast<fs::perms>(0751)});
  CHECK((status_of(place / "program").st_mode & 07777) == 0751);
}

TEST_CASE_METHOD(fixture, "mirroring again touches nothing") {
  cache.mirror(entry, place / "mirror");
  const struct stat before = status_of(place / "mirror");
  CHECK(cache.mirror(entry, place / "mirror") == mirror_result::unchanged);
  CHECK(cache.mirror(entry, place / "mirror", overwriting) == mirror_result::unchanged);
  CHECK(cache.mirror(entry, place / "mirror", linking) == mirror_result::unchanged);
  const struct stat after = status_of(place / "mirror");
  CHECK(after.st_ino == before.st_ino);
  CHECK(after.st_ctim.tv_sec == before.st_ctim.tv_sec);
  CHECK(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

TEST_CASE_METHOD(fixture, "a destination with other content is kept unless overwriting was asked for") {
  for (const char* text : {"CONTENT", "longer than the content", ""}) {
    write_file(place / "mirror", text);
    CHECK(code(place / "mirror") == errc::destination_differs);
    CHECK(code(place / "mirror", linking) == errc::destination_differs);
    CHECK(read_file(place / "mirror") == text);
    CHECK_FALSE(code(place / "mirror", overwriting));
    CHECK(read_file(place / "mirror") == "content");
  }
  CHECK(place.names() == std::set<std::string>{"cache", "mirror"});
}

TEST_CASE_METHOD(fixture, "a symbolic link is kept, or replaced itself; what it leads to is never touched") {
  write_file(place / "target", "content");
  for (const char* target : {"target", "nowhere"}) {
    fs::remove(place / "link");
    fs::create_symlink(place / target, place / "link");
    CHECK(code(place / "link") == errc::destination_differs);
    CHECK(fs::is_symlink(place / "link"));
    CHECK_FALSE(code(place / "link", overwriting));
    CHECK_FALSE(fs::is_symlink(place / "link"));
    CHECK(read_file(place / "link") == "content");
  }
  CHECK(read_file(place / "target") == "content");
  CHECK_FALSE(fs::exists(place / "nowhere"));
}

TEST_CASE_METHOD(fixture, "directories and FIFOs never go, and are not waited for") {
  fs::create_directory(place / "directory");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  for (const auto* how : {&overwriting, &linking_over}) {
    CHECK(code(place / "directory") == errc::destination_differs);
    CHECK(code(place / "directory", *how) == std::errc::is_a_directory);
    CHECK(code(place / "fifo") == errc::destination_differs);
    CHECK(code(place / "fifo", *how) == errc::not_a_regular_file);
  }
  CHECK(fs::is_directory(place / "directory"));
  CHECK(fs::is_fifo(place / "fifo"));
}

TEST_CASE_METHOD(fixture, "bad destinations are clear errors, and nothing is made for them") {
  write_file(place / "file", "data");
  CHECK(code("") == errc::invalid_name);
  CHECK(code(place / "new" / "") == errc::invalid_name);
  CHECK(code(place / "new" / ".") == errc::invalid_name);
  CHECK(code(place / "new" / "..") == errc::invalid_name);
  CHECK(code(place / std::string("a\0b", 3)) == errc::invalid_name);
  CHECK(code(place / std::string(256, 'n')) == std::errc::filename_too_long);
  CHECK(code(place / "file" / "mirror") == std::errc::not_a_directory);
  CHECK(code(place / "new" / "mirror", {.create_parents = false}) == std::errc::no_such_file_or_directory);
  CHECK(place.names() == std::set<std::string>{"cache", "file"});
  CHECK_FALSE(code(place / std::string(255, 'n')));
  CHECK_THROWS_AS(cache.mirror(entry, ""), error);
}

TEST_CASE_METHOD(fixture, "a mirror never goes into the cache, by whatever way its path leads there") {
  const auto before = testing::files_of_cache(place / "cache");
  fs::create_directory_symlink(place / "cache", place / "link");
  fs::create_directory(place / "sub");
  for (const fs::path& path : {place / "cache" / "x", place / "cache" / "b" / "x", place / "cache" / "new" / "er" / "x",
                               place / "link" / "x", place / "sub" / ".." / "cache" / "x", fs::path(entry.path())}) {
    CHECK(code(path) == errc::invalid_name);
    CHECK(code(path, overwriting) == errc::invalid_name);
    int calls = 0;
    CHECK(code_of([&] { cache.fetch_and_mirror("other", path, brings("x", &calls)); }) == errc::invalid_name);
    CHECK(calls == 0);
  }
  CHECK(testing::files_of_cache(place / "cache") == before);
  CHECK_FALSE(code(place / "cache" / ".." / "beside"));
}

TEST_CASE_METHOD(fixture, "a hard link is made on request and shares the cache's file") {
  CHECK(cache.mirror(entry, place / "mirror", linking) == mirror_result::hard_linked);
  CHECK(status_of(place / "mirror").st_ino == status_of(entry.path()).st_ino);
  write_file(place / "other", "x");
  CHECK(cache.mirror(entry, place / "other", linking_over) == mirror_result::hard_linked);
  CHECK(status_of(place / "other").st_ino == status_of(entry.path()).st_ino);
  CHECK(status_of(entry.path()).st_nlink == 3);
  CHECK((status_of(entry.path()).st_mode & 07777) == 0400);
  CHECK(place.names() == std::set<std::string>{"cache", "mirror", "other"});
}

TEST_CASE_METHOD(fixture, "an entry can be mirrored after its key was removed, by copying") {
  cache.remove("key");
  CHECK(is_copy(cache.mirror(entry, place / "mirror", linking)));
  CHECK(is_copy(cache.mirror(entry, place / "copy")));
  CHECK(read_file(place / "mirror") == "content");
}

TEST_CASE_METHOD(fixture, "a hard link is not made of another file that took the content's name") {
  fs::remove(entry.path());
  write_file(entry.path(), "CONTENT");
  CHECK(is_copy(cache.mirror(entry, place / "mirror", linking)));
  write_file(place / "other", "x");
  CHECK(is_copy(cache.mirror(entry, place / "other", linking_over)));
  CHECK(read_file(place / "mirror") == "content");
  CHECK(read_file(place / "other") == "content");
  CHECK(place.names() == std::set<std::string>{"cache", "mirror", "other"});
}

TEST_CASE_METHOD(fixture, "a pinned content that was truncated is not mirrored") {
  testing::damage(entry.path(), "con");
  CHECK(code(place / "mirror") == errc::integrity_mismatch);
  CHECK(code(place / "mirror", linking) == errc::integrity_mismatch);
  CHECK(place.names() == std::set<std::string>{"cache"});
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;

TEST_CASE_METHOD(fixture, "a person who makes the destination while it is mirrored keeps the file") {
  constexpr mirror_options copying;
  for (const mirror_options* how : {&copying, &linking}) {
    testing::signal_pipe reached;
    testing::signal_pipe resume;
    testing::child_process mirroring([&] {
      fault::arm({.what = fault::action::stop,
                  .name = "linkat",
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
      return code(place / "mirror", *how) == errc::destination_differs ? 0 : 1;
    });
    reached.receive();
    write_file(place / "mirror", "a person's work");
    resume.send();
    CHECK(mirroring.wait() == 0);
    CHECK(read_file(place / "mirror") == "a person's work");
    fs::remove(place / "mirror");
  }
}

TEST_CASE_METHOD(fixture, "two that mirror to one destination both succeed") {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process slow([&] {
    fault::arm({.what = fault::action::stop,
                .name = "linkat",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return cache.mirror(entry, place / "mirror") == mirror_result::unchanged ? 0 : 1;
  });
  reached.receive();
  CHECK(is_copy(cache.mirror(entry, place / "mirror")));
  resume.send();
  CHECK(slow.wait() == 0);
}
#endif
