#include <sys/stat.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::forbidden;
using testing::read_file;
namespace fs = std::filesystem;

namespace {

struct fixture {
  testing::scratch_directory place;
  cache_options layered{.layers = {place / "group", place / "site", place / "absent"}};

  fixture() {
    mirror_cache site(place / "site");
    (void)site.get("both", brings("of the site"));
    (void)site.get("rare", brings("rare"));
    (void)mirror_cache(place / "group").get("both", brings("of the group"));
  }
  /// Everything that can be seen of a directory's files, times included.
  std::string look(const char* layer) const {
    std::string all;
    for (const auto& entry : fs::recursive_directory_iterator(place / layer)) {
      struct stat found{};
      ::lstat(entry.path().c_str(), &found);
      all += entry.path().string() + ' ' + std::to_string(found.st_ino) + ' ' + std::to_string(found.st_mtim.tv_nsec) +
             ' ' + std::to_string(found.st_ctim.tv_nsec) + ' ' + std::to_string(found.st_size) + '\n';
    }
    return all;
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "what the own cache has not is taken from the layers, in their order") {
  mirror_cache cache(place / "own", layered);
  const cache_entry both = cache.get("both", forbidden());
  CHECK(content_of(both) == "of the group");
  CHECK(both.layer() == 1);
  const cache_entry rare = cache.get("rare", forbidden(), fetch_policy::if_older_than(std::chrono::hours(1)));
  CHECK(content_of(rare) == "rare");
  CHECK(rare.layer() == 2);
  CHECK(testing::files_of_cache(place / "own").empty());
  cache.mirror(rare, place / "mirror");
  cache.mirror(rare, place / "linked", {.link = mirror_link::hard_link});
  CHECK(read_file(place / "mirror") + read_file(place / "linked") == "rarerare");
  (void)cache.get("both", brings("mine"), fetch_policy::always());
  CHECK(content_of(cache.get("both", forbidden())) == "mine");
  CHECK(cache.get("both", forbidden()).layer() == 0);
  CHECK(content_of(mirror_cache(place / "group").get("both", forbidden())) == "of the group");
}

TEST_CASE_METHOD(fixture, "nothing is ever written into a layer, by whatever is asked of the cache") {
  for (const char* layer : {"group", "site"}) testing::set_last_use(place / layer, "both", std::chrono::hours(5));
  testing::damage(mirror_cache(place / "site").get("rare", forbidden()).path(), "RARE");
  const std::string before = look("group") + look("site");
  layered.check = hit_check::content;
  mirror_cache cache(place / "own", layered);
  CHECK(content_of(cache.get("both", forbidden())) == "of the group");
  CHECK(content_of(cache.get("rare", brings("rare"))) == "rare");  // the damaged one is passed over
  (void)cache.get("both", brings("mine"), fetch_policy::always());
  CHECK(cache.remove("both"));
  CHECK_FALSE(cache.remove("both"));
  CHECK(cache.verify(true).empty());
  eviction_limits all;
  all.max_bytes = 0;
  all.grace = {};
  (void)cache.evict(all);
  CHECK(cache.list().size() == 3);
  CHECK(look("group") + look("site") == before);
}

TEST_CASE_METHOD(fixture, "who asks for a fetch that begins after the request gets none from a layer") {
  mirror_cache cache(place / "own", layered);
  int calls = 0;
  for (int round = 1; round <= 3; ++round) {
    (void)cache.get("both", brings("new", &calls), fetch_policy::always());
    CHECK(calls == round);
    cache.remove("both");
  }
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;

TEST_CASE_METHOD(fixture, "a layer's fetch that began before a request does not answer it, though it ended later") {
  testing::signal_pipe layer_fetches;
  testing::signal_pipe end_layer;
  testing::child_process in_the_layer([&] {
    const auto fetch = [&](fetch_sink& sink) {
      layer_fetches.send();
      end_layer.receive();
      sink.write("late");
    };
    return content_of(mirror_cache(place / "group").get("both", fetch, fetch_policy::always())) == "late" ? 0 : 1;
  });
  layer_fetches.receive();
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process asking([&] {
    mirror_cache cache(place / "own", layered);
    // It has looked once, and stops before it has its key's lock.
    fault::arm({.what = fault::action::stop,
                .name = "flock",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return content_of(cache.get("both", brings("own"), fetch_policy::always())) == "own" ? 0 : 1;
  });
  reached.receive();
  end_layer.send();
  CHECK(in_the_layer.wait() == 0);
  resume.send();
  CHECK(asking.wait() == 0);
}
#endif

TEST_CASE_METHOD(fixture, "list and statistics say which layer has what; hits and fetches are counted") {
  mirror_cache cache(place / "own", layered);
  (void)cache.get("mine", brings("12345"));
  (void)cache.get("mine", brings("123"), fetch_policy::always());
  (void)cache.get("mine", forbidden());
  (void)cache.get("both", forbidden());
  CHECK(testing::code_of([&] { (void)cache.get("nowhere", {}, fetch_policy::never()); }) == errc::not_cached);
  std::string listed;
  for (const cache_record& each : cache.list()) {
    listed += each.key + std::to_string(each.layer) + ' ';
    CHECK(each.last_used >= each.fetched_at - std::chrono::seconds(1));
  }
  CHECK(listed.starts_with("mine0 both1 "));
  CHECK(listed.size() == std::string("mine0 both1 both2 rare2 ").size());
  const cache_statistics found = cache.statistics();
  CHECK(found.own.keys == 1);
  CHECK(found.own.contents == 2);
  CHECK(found.own.bytes == 8);
  CHECK(found.own.unnamed_contents == 1);
  CHECK(found.own.unnamed_bytes == 5);
  CHECK(found.own.leased == 0);
  CHECK(found.own.oldest_use == found.own.newest_use);
  REQUIRE(found.layers.size() == 3);
  CHECK(found.layers[0].keys == 1);
  CHECK(found.layers[1].keys == 2);
  CHECK(found.layers[1].directory == place / "site");
  CHECK(found.layers[2].keys == 0);
  CHECK(found.requests.hits == 2);
  CHECK(found.requests.misses == 3);
  CHECK(found.requests.fetches == 2);
  CHECK(found.requests.fetched_bytes == 8);
}

TEST_CASE_METHOD(fixture, "a lease on a content of a layer holds there, too") {
  mirror_cache cache(place / "own", layered);
  const cache_lease lease = cache.lease("rare", forbidden());
  CHECK(lease.entry().layer() == 2);
  eviction_limits all;
  all.max_bytes = 0;
  all.grace = {};
  CHECK(mirror_cache(place / "site").evict(all).kept.size() == 1);
  CHECK(read_file(lease.path()) == "rare");
}
