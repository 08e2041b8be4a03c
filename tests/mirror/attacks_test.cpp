/// What a fresh reader broke: lost lock files, overlapping publishers, errors of looking, links that pass for copies.
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include <lockkit/directory.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/key_record.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;

namespace {

fetch_function bring(std::string text) {
  return [text = std::move(text)](fetch_sink& sink) { sink.write(text); };
}

}  // namespace

TEST_CASE("a fetch whose lock file was removed meanwhile stores what answers no always request") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const auto generation = [&] {
    for (const auto& file : fs::recursive_directory_iterator(place / "cache" / "k")) {
      if (file.is_regular_file()) return detail::parse_key_record(testing::read_file(file.path()))->generation;
    }
    return std::uint64_t{4711};
  };
  (void)cache.get("k", bring("x"), fetch_policy::always());
  CHECK(generation() > 0);
  // Who comes during such a fetch holds a new lock, and has noted a smaller number than the old lock's.
  const auto lose_lock = [&](fetch_sink& sink) {
    fs::remove_all(place / "cache" / "l");
    sink.write("while the lock was lost");
  };
  CHECK(cache.get("k", lose_lock, fetch_policy::always()).fetched_here());
  CHECK(generation() == 0);
  CHECK(testing::read_file(cache.get("k", bring("not needed")).path()) == "while the lock was lost");
}

TEST_CASE("a removal gets its turn while publishers overlap all the time") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("victim", bring("x"));
  std::atomic<bool> stop{false};
  std::vector<std::thread> publishers;
  for (int i = 0; i < 4; ++i) {
    publishers.emplace_back([&, i] {
      for (int round = 0; !stop; ++round) {
        (void)cache.get("k" + std::to_string(i), bring(std::to_string(round)), fetch_policy::always());
      }
    });
  }
  CHECK(cache.remove("victim", deadline::after(60s)));
  stop = true;
  for (auto& publisher : publishers) publisher.join();
}

TEST_CASE("removing what never was leaves nothing behind") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  CHECK_FALSE(cache.remove("no such key"));
  CHECK_FALSE(fs::exists(place / "cache" / "l"));
}

TEST_CASE("a hard link of the cache's file is not handed out as an isolated mirror") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  const auto entry = cache.get("k", bring("content"));
  REQUIRE(cache.mirror(entry, place / "m", {.link = mirror_link::hard_link}) == mirror_result::hard_linked);
  CHECK(cache.mirror(entry, place / "m", {.link = mirror_link::hard_link}) == mirror_result::unchanged);
  std::error_code ec;
  cache.mirror(entry, place / "m", {}, ec);
  CHECK(ec == errc::destination_differs);
  cache.mirror(entry, place / "m", {.overwrite = true});
  CHECK(fs::hard_link_count(place / "m") == 1);
  testing::write_file(place / "m", "changed");
  CHECK(testing::read_file(entry.path()) == "content");
}

TEST_CASE("a cache whose constructor failed does nothing anywhere") {
  std::error_code ec;
  mirror_cache cache("", {}, ec);
  CHECK(ec == errc::invalid_name);
  CHECK_THROWS_AS(cache.get("k", bring("x")), lockkit::error);
  CHECK_THROWS_AS(cache.list(), lockkit::error);
  CHECK_THROWS_AS(cache.remove("k"), lockkit::error);
  CHECK_THROWS_AS(cache.verify(true), lockkit::error);
  CHECK_FALSE(fs::exists("/gate"));
}

TEST_CASE("the cache is where the kernel says, also behind a link and two dots") {
  testing::scratch_directory place;
  fs::create_directories(place / "real" / "other");
  fs::create_directory_symlink(place / "real" / "other", place / "link");
  mirror_cache cache(place / "link" / ".." / "cache");
  (void)cache.get("k", bring("x"));
  CHECK(fs::exists(place / "real" / "cache" / "k"));
  CHECK_FALSE(fs::exists(place / "cache"));
}

TEST_CASE("directories deeper than any patience are made") {
  testing::scratch_directory place;
  fs::path deep = place.path();
  for (int i = 0; i < 200; ++i) deep /= "d";
  CHECK(ensure_directory(deep, {.retries = {.attempts = 1}}));
}

TEST_CASE("what can't list some of the records removes no content") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  for (int n = 0; n < 20; ++n) (void)cache.get(std::to_string(n), bring("content " + std::to_string(n)));
  const std::size_t contents = cache.statistics().own.contents;
  for (const fs::directory_entry& each : fs::directory_iterator(place / "cache/k")) {
    // As unreadable as a forbidden directory, also for root.
    fs::rename(each.path(), place / "aside");
    fs::create_symlink(each.path().filename(), each.path());
    CHECK_THROWS_AS(cache.verify(true), lockkit::error);
    CHECK_THROWS_AS(cache.evict({.grace = 0s}), lockkit::error);
    fs::remove(each.path());
    fs::rename(place / "aside", each.path());
  }
  CHECK(cache.statistics().own.contents == contents);
  CHECK(cache.verify().empty());
}

TEST_CASE("what a layer's source calls current is not another inode of the same name") {
  testing::scratch_directory place;
  (void)mirror_cache(place / "site").get("key", bring("content"));
  mirror_cache cache(place / "own", {.layers = {place / "site"}});
  const fs::path twin = cache.get("twin", bring("content")).path();
  testing::damage(twin, "CONTENT");
  const auto current = [](fetch_sink& sink) { sink.not_modified(); };
  CHECK(testing::content_of(cache.get("key", current, fetch_policy::always())) == "content");
  CHECK(cache.verify().empty());
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("a publisher that is stopped keeps a removal waiting, and nobody else") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("old", bring("old"));
  (void)cache.get("other", bring("other"));
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process publisher([&] {
    const auto stop_inside_the_gate = [&](fetch_sink& sink) {
      sink.write("slow");
      fault::arm({.what = fault::action::stop,
                  .name = "linkat",
                  .announce_fd = reached.write_end(),
                  .resume_fd = resume.read_end()});
    };
    (void)cache.get("slow", stop_inside_the_gate);
    return 0;
  });
  reached.receive();
  CHECK(cache.remove("other", deadline()));  // its content is left to a sweep
  testing::child_process remover([&] { return cache.remove("old") ? 0 : 1; });
  while (cache.list().size() == 1) std::this_thread::yield();  // the record goes before the removal waits
  for (int n = 0; n < 20; ++n) {
    (void)cache.get(std::to_string(n), bring("new"), fetch_policy::if_missing(), {.until = deadline::after(20s)});
  }
  resume.send();
  CHECK(publisher.wait() == 0);
  CHECK(remover.wait() == 0);
  CHECK(cache.list().size() == 21);
}

TEST_CASE("a repair that can't look removes nothing") {
  testing::scratch_directory place;
  mirror_cache cache(place / "cache");
  (void)cache.get("k", bring("all that an offline machine has"));
  for (const int error : {EMFILE, EACCES, EIO, ENOMEM}) {
    for (const char* call : {"openat", "pread64", "read"}) {
      fault::arm({.what = fault::action::fail, .name = call, .times = 1000, .error = error});
      try {
        (void)cache.verify(true);
      } catch (const lockkit::error&) {
      }
      fault::disarm();
      INFO(call << " " << error);
      REQUIRE(cache.list().size() == 1);
      REQUIRE(cache.verify().empty());
    }
  }
}

#endif
