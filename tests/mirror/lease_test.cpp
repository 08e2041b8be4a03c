#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using testing::brings;
using testing::content_of;
using testing::forbidden;
using testing::read_file;
namespace fs = std::filesystem;

namespace {

eviction_limits everything() {
  eviction_limits limits;
  limits.max_bytes = 0;
  limits.grace = 0s;
  return limits;
}

struct fixture {
  testing::scratch_directory place;
  fs::path directory = place / "cache";
  mirror_cache cache{directory};
  fs::path path = cache.get("key", brings("content")).path();

  bool stands() const { return read_file(path) == "content"; }
};

/// A process that has a lease until it is told to end or is killed.
struct leasing_process {
  testing::signal_pipe has;
  testing::signal_pipe end;
  testing::child_process process;

  explicit leasing_process(mirror_cache& cache)
      : process([&] {
          const cache_lease lease = cache.lease("key", forbidden());
          has.send();
          end.receive();
          return 0;
        }) {
    has.receive();
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "a leased content keeps its name through eviction, removal and sweep, and goes afterwards") {
  {
    const cache_lease lease = cache.lease("key", forbidden());
    CHECK(lease.path() == path);
    const eviction_result result = cache.evict(everything());
    REQUIRE(result.kept.size() == 1);
    CHECK(result.kept[0].why == keep_reason::leased);
    CHECK(result.kept[0].what.key == "key");
    CHECK(result.bytes_left == 7);
    CHECK(content_of(cache.get("key", forbidden())) == "content");
    CHECK(cache.statistics().own.leased == 1);
    CHECK(cache.remove("key"));
    CHECK(stands());
    CHECK(cache.verify(true).empty());
    CHECK(stands());
    const eviction_result again = cache.evict(everything());
    REQUIRE(again.kept.size() == 1);
    CHECK(again.kept[0].what.key.empty());
    CHECK(again.kept[0].why == keep_reason::leased);
    CHECK(stands());
  }
  CHECK(cache.statistics().own.leased == 0);
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(directory).empty());
}

TEST_CASE_METHOD(fixture, "the name stays until the last of several leases ends, by release or by death") {
  cache_lease first = cache.lease("key", forbidden());
  cache_lease second(cache.get("key", forbidden()));
  leasing_process third(cache);
  first.release();
  CHECK_FALSE(first.held());
  second = cache_lease(second.entry());  // what it held is released, what it takes is held
  CHECK(second.held());
  CHECK(cache.evict(everything()).kept.size() == 1);
  second.release();
  CHECK(cache.evict(everything()).kept.size() == 1);
  third.process.kill();
  CHECK(cache.evict(everything()).evicted.size() == 1);
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE_METHOD(fixture, "a forked child neither has nor ends its parent's lease, and does not prolong it") {
  cache_lease lease = cache.lease("key", forbidden());
  testing::signal_pipe done;
  testing::signal_pipe end;
  testing::child_process child([&] {
    const bool held = lease.held();
    lease.release();
    done.send(held ? 'h' : 'n');
    end.receive();
    return 0;
  });
  CHECK(done.receive() == 'n');
  CHECK(cache.evict(everything()).kept.size() == 1);
  testing::signal_pipe another_done;
  testing::child_process keeps([&] {  // its copy of the description stays open
    another_done.send();
    end.receive();
    return 0;
  });
  another_done.receive();
  lease.release();
  CHECK(cache.evict(everything()).evicted.size() == 1);
  end.send();
  end.send();
  CHECK(child.wait() + keeps.wait() == 0);
}

TEST_CASE_METHOD(fixture,
                 "a lease on a content whose name has gone is refused; the cache fetches it anew and leases that") {
  const cache_entry entry = cache.get("key", forbidden());
  cache.remove("key");
  std::error_code ec;
  CHECK_FALSE(cache_lease(entry, ec).held());
  CHECK(ec == errc::not_cached);
  CHECK_THROWS_AS(cache_lease(entry), error);
  testing::write_file(path, "content");  // another file
  CHECK_FALSE(cache_lease(entry, ec).held());
  CHECK(ec == errc::not_cached);
  const cache_lease lease = cache.lease("key", brings("content"));
  CHECK(lease.held());
  CHECK(cache.evict(everything()).kept.size() == 1);
  CHECK(testing::code_of([&] { (void)cache.lease("other", forbidden(), fetch_policy::never()); }) == errc::not_cached);
}

TEST_CASE_METHOD(fixture,
                 "a damaged content is healed under its name while leased, and the lease counts for what heals it") {
  auto lease = std::make_unique<cache_lease>(cache.lease("key", forbidden()));
  testing::damage(path, "CONTENT");
  CHECK(cache.verify(true).size() == 1);
  CHECK(read_file(path) == "CONTENT");  // the name stays
  CHECK(content_of(cache.get("key", brings("content"))) == "content");
  CHECK(stands());
  CHECK(cache.evict(everything()).kept.size() == 1);
  CHECK(stands());
  CHECK(cache.verify(true).empty());
  CHECK(stands());
  lease.reset();
  CHECK(cache.evict(everything()).evicted.size() == 1);
  CHECK(testing::files_of_cache(directory).empty());
}

TEST_CASE_METHOD(fixture, "a content that stays locked by a foreign program is not leased for ever, nor waited for") {
  testing::signal_pipe has;
  testing::signal_pipe end;
  testing::child_process foreign([&] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool locked = ::flock(fd, LOCK_EX) == 0;
    has.send();
    end.receive();
    return locked ? 0 : 1;
  });
  has.receive();
  std::error_code ec;
  const cache_lease lease(cache.get("key", forbidden()), ec);
  CHECK(ec == std::errc::device_or_resource_busy);
  end.send();
  CHECK(foreign.wait() == 0);
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace fault = lockkit::platform::fault;

namespace {

/// Leases in another process, with an eviction of everything at the `nth` call of that. False: there are fewer calls.
bool lease_with_eviction_at(std::uint64_t nth, mirror_cache& cache) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process leaser([&] {
    fault::arm(
        {.what = fault::action::stop, .nth = nth, .announce_fd = reached.write_end(), .resume_fd = resume.read_end()});
    const cache_lease lease = cache.lease("key", brings("content"));
    fault::disarm();
    reached.send('l');
    resume.receive();
    return read_file(lease.path()) == "content" ? 0 : 1;
  });
  const bool stopped = reached.receive() == 's';
  if (stopped) {
    (void)cache.evict(everything());
    resume.send();
    CHECK(reached.receive() == 'l');
  }
  (void)cache.evict(everything());
  CHECK(cache.verify(true).empty());
  resume.send();
  CHECK(leaser.wait() == 0);
  return stopped;
}

/// The other way round: a lease is asked for at the `nth` call of an eviction.
bool evict_with_lease_at(std::uint64_t nth, mirror_cache& cache) {
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process evictor([&] {
    fault::arm(
        {.what = fault::action::stop, .nth = nth, .announce_fd = reached.write_end(), .resume_fd = resume.read_end()});
    (void)cache.evict(everything());
    fault::disarm();
    reached.send('e');
    return 0;
  });
  const bool stopped = reached.receive() == 's';
  std::error_code ec;
  std::optional<cache_lease> lease;
  try {
    lease.emplace(cache.get("key", {}, fetch_policy::never()), ec);
  } catch (const error&) {  // gone already
  }
  if (stopped) resume.send();
  CHECK(evictor.wait() == 0);
  if (lease && lease->held()) CHECK(read_file(lease->path()) == "content");
  return stopped;
}

}  // namespace

TEST_CASE("an eviction at any call of taking a lease leaves a lease whose name stands") {
  testing::scratch_directory place(testing::memory_directory());
  mirror_cache cache(place / "cache", {.level = durability::visible});
  (void)cache.get("key", brings("content"));
  std::uint64_t nth = 1;
  while (lease_with_eviction_at(nth, cache)) {
    (void)cache.get("key", brings("content"));
    ++nth;
  }
  CHECK(nth > 8);
}

TEST_CASE("a lease asked for at any call of an eviction is refused, or its name stands") {
  testing::scratch_directory place(testing::memory_directory());
  mirror_cache cache(place / "cache", {.level = durability::visible});
  std::uint64_t nth = 1;
  do {
    (void)cache.get("key", brings("content"));
  } while (evict_with_lease_at(nth++, cache));
  CHECK(nth > 30);
}
#endif
