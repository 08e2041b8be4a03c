/// Deaths, forks, stops and replaced files.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::ask_sqlite;
using testing::await_waiters;

namespace {

/// A process that holds one claim until it is killed.
class holder {
 public:
  explicit holder(const fs::path& database)
      : child_([&] {
          claim_store store(database);
          const auto held = store.claim_for({.pool = "gpu"}, 30s);
          ready_.send();
          ::pause();
          return 0;
        }) {
    ready_.receive();
  }
  testing::child_process& process() { return child_; }

 private:
  testing::signal_pipe ready_;
  testing::child_process child_;
};

}  // namespace

TEST_CASE("a killed holder's claim is free at once, also for a try") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  holder dead(place / "claims.db");
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  const auto token = store.list()[0].token;
  dead.process().kill();
  const auto mine = store.try_claim({.pool = "gpu"});
  REQUIRE(mine);
  CHECK(mine->items()[0].token > token);
  CHECK(store.events().rbegin()[1].kind == "died");
}

TEST_CASE("a stopped holder keeps its claim, and a waiter keeps its deadline") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  holder stopped(place / "claims.db");
  stopped.process().signal(SIGSTOP);
  CHECK_FALSE(store.claim_for({.pool = "gpu"}, 100ms));
  stopped.process().signal(SIGCONT);
}

TEST_CASE("a waiter is woken by its holder's death") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  holder dead(place / "claims.db");
  testing::child_process waiter([&] {
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu"}, 30s) ? 0 : 1;
  });
  await_waiters(place / "claims.db", 1);
  dead.process().kill();
  CHECK(waiter.wait() == 0);
}

TEST_CASE("a forked child owns nothing: neither its end nor its calls touch the parent's claim") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu"});
  testing::child_process child([&] {
    std::error_code ec;
    if (store.try_claim({.pool = "gpu"}, ec) || ec != std::errc::operation_not_permitted) return 1;
    held->release(ec);
    held.reset();
    {
      claim_store moved(std::move(store));
    }
    return 0;
  });
  CHECK(child.wait() == 0);
  CHECK(held->verify());
  CHECK_FALSE(claim_store(place / "claims.db").try_claim({.pool = "gpu"}));
  CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
}

TEST_CASE("another file at the database's path is noticed") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  {
    claim_store fresh(place / "new.db");
  }
  fs::rename(place / "new.db", place / "claims.db");
  std::error_code ec;
  CHECK_FALSE(store.try_claim({.pool = "gpu"}, ec));
  CHECK(ec == errc::database_replaced);
}

TEST_CASE("claims of an earlier boot end, and tokens go on above everything given out before") {
  testing::scratch_directory place;
  testing::child_process before([&] {
    claim_store store(place / "claims.db");
    store.add({.pool = "gpu", .name = "g0"});
    auto held = store.try_claim({.pool = "gpu"});
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(before.wait() == 128 + SIGKILL);
  ask_sqlite(place / "claims.db", "UPDATE meta SET value = 'an earlier one' WHERE name = 'boot_id'");
  const std::uint64_t last = std::stoull(ask_sqlite(place / "claims.db", "SELECT token FROM resource"));
  claim_store rebooted(place / "claims.db");
  CHECK(rebooted.claims().empty());
  CHECK(rebooted.try_claim({.pool = "gpu"})->items()[0].token.value >= last + (std::uint64_t{1} << 40U) - 1);
}

TEST_CASE("a process that is shown another boot_id ends nobody's claim") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu"});
  ask_sqlite(place / "claims.db", "UPDATE meta SET value = 'of another container' WHERE name = 'boot_id'");
  std::error_code ec;
  claim_store other(place / "claims.db", {}, ec);
  CHECK(ec == errc::foreign_clock);
  CHECK(held->verify());
}

TEST_CASE("hidden: opens a store without /proc", "[.]") {
  const char* const database = ::getenv("LOCKKIT_TEST_DATABASE");
  if (database == nullptr) return;  // a filter has found it
  std::error_code ec;
  claim_store store(database, {}, ec);
  std::fprintf(stderr, "without /proc: %s\n", ec.message().c_str());
  // At once: a sanitizer's search for leaks at exit needs /proc, and would fail whatever we found.
  std::_Exit(ec == std::errc::function_not_supported ? 0 : 1);
}

TEST_CASE("a process without /proc is refused, and ends nobody's claim") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu"});
  testing::child_process other([&] {
    const fs::path program = fs::read_symlink("/proc/self/exe");
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return 77;
    ::setenv("LOCKKIT_TEST_DATABASE", (place / "claims.db").c_str(), 1);
    ::execl(program.c_str(), "claims_tests", "hidden: opens a store without /proc", nullptr);
    return 127;
  });
  const int result = other.wait();
  if (result == 77) WARN("skipped: no mount namespaces here");
  CHECK((result == 0 || result == 77));
  CHECK(held->verify());
}

namespace {

/// Everything that one life of a claim goes through.
void live_once(claim_store& store, claim_life life) {
  auto held = store.try_claim({.pool = "gpu", .life = life, .lease = life == claim_life::lease ? 60s : 0s});
  held->renew();
  held->release();
}

/// After any death: the unit is there, sooner or later, with a greater token.
void check_after_death(claim_store& store, const fs::path& database, claim_life life, std::uint64_t& last) {
  if (life == claim_life::lease) ask_sqlite(database, "UPDATE claim SET until_ms = 1");
  if (life == claim_life::released) {
    for (const claim_status& left : store.claims()) CHECK(store.end_claim(left.key));
  }
  const auto mine = store.try_claim({.pool = "gpu"});
  REQUIRE(mine);
  REQUIRE(mine->items()[0].token.value > last);
  last = mine->items()[0].token.value;
}

}  // namespace

TEST_CASE("killed at any system call of claiming, renewing and releasing, nothing stays claimed and tokens grow") {
  for (const claim_life life : {claim_life::process, claim_life::job, claim_life::lease, claim_life::released}) {
    testing::scratch_directory place(testing::memory_directory());
    claim_store store(place / "claims.db");
    store.add({.pool = "gpu", .name = "g0"});
    std::uint64_t last = 0;
    std::optional<claim_store> theirs;
    const auto points =
        testing::kill_at_every_call([&] { theirs.emplace(place / "claims.db"); }, [&] { live_once(*theirs, life); },
                                    [&](std::size_t point) {
                                      INFO("killed before call " << point);
                                      check_after_death(store, place / "claims.db", life, last);
                                    });
    CHECK(points > 50);
    CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
    CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM claim") == "0\n");
  }
}

TEST_CASE("a process killed at any system call of opening a new database leaves one that the next can use") {
  testing::scratch_directory place(testing::memory_directory());
  int round = 0;
  const auto points =
      testing::kill_at_every_call([] {}, [&] { claim_store store(place / (std::to_string(round) + ".db")); },
                                  [&](std::size_t point) {
                                    INFO("killed before call " << point);
                                    claim_store store(place / (std::to_string(round++) + ".db"));
                                    CHECK(store.add({.pool = "gpu", .name = "g0"}));
                                    CHECK(store.try_claim({.pool = "gpu"}));
                                  });
  CHECK(points > 50);
}

TEST_CASE("a PID says nothing about an owner's life") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  holder living(place / "claims.db");
  ask_sqlite(place / "claims.db", "UPDATE owner SET pid = 2147483646, start_time = 1, boot_id = 'another'");
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  ask_sqlite(place / "claims.db", "UPDATE owner SET pid = " + std::to_string(::getpid()));
  living.process().kill();
  CHECK(store.try_claim({.pool = "gpu"}));
}

namespace {

/// What claims can't fool: a record lock per unit in another file, taken without waiting by whoever holds the unit, and
/// the last token seen there.
class unit_witness {
 public:
  explicit unit_witness(fs::path folder)
      : folder_(std::move(folder)), fd_(::open((folder_ / "witness").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {}
  ~unit_witness() { ::close(fd_); }
  unit_witness(const unit_witness&) = delete;
  unit_witness& operator=(const unit_witness&) = delete;

  /// 0, or what is wrong.
  int enter(const claimed_item& item) {
    if (!lock(item, F_WRLCK)) return 3;
    const fs::path file = folder_ / ("token" + item.name);
    const std::string last = testing::read_file(file);
    if (!last.empty() && std::stoull(last) >= item.token.value) return 4;
    testing::write_file(file, std::to_string(item.token.value));
    return 0;
  }
  void leave(const claimed_item& item) { lock(item, F_UNLCK); }

 private:
  bool lock(const claimed_item& item, short type) {
    struct flock mark{};
    mark.l_type = type;
    mark.l_start = std::stoi(item.name);
    mark.l_len = 1;
    return ::fcntl(fd_, F_OFD_SETLK, &mark) == 0;
  }
  fs::path folder_;
  int fd_;
};

/// What all processes of the campaign count together.
struct tally {
  std::atomic<unsigned> claims = 0;
  std::atomic<unsigned> kills = 0;
};

int claim_and_release(const fs::path& folder, unsigned seed, tally& all, unsigned wanted) {
  std::mt19937 random(seed);
  claim_store store(folder / "claims.db");
  unit_witness witness(folder);
  while (all.claims < wanted) {
    auto held = store.claim_for({.pool = "gpu", .count = 1U + (random() % 2 == 0 ? 1U : 0U)}, 60s);
    if (!held) return 2;
    for (const auto& item : held->items()) {
      if (const int wrong = witness.enter(item)) return wrong;
    }
    ++all.claims;
    if (random() % 100 == 0) ::raise(SIGKILL);
    for (const auto& item : held->items()) witness.leave(item);
    held->release();
  }
  return 0;
}

/// A process is followed by another when it was killed, until there are claims enough.
int keep_claiming(const fs::path& folder, unsigned seed, tally& all, unsigned wanted) {
  for (;;) {
    testing::child_process worker([&] { return claim_and_release(folder, seed, all, wanted); });
    const int result = worker.wait();
    if (result != 128 + SIGKILL) return result;
    ++all.kills;
    seed += 1000;
  }
}

}  // namespace

TEST_CASE("10,000 claims by 16 processes with random kills: no unit held twice, nothing left, tokens only grow") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  constexpr int units = 8;
  for (int i = 0; i < units; ++i) {
    store.add({.pool = "gpu", .name = std::to_string(i)});
    testing::write_file(place / ("token" + std::to_string(i)), "0");
  }
  const unsigned wanted = std::getenv("LOCKKIT_TEST_LONG") != nullptr ? 200'000 : 10'000;
  const testing::shared_memory<tally> all;
  std::vector<testing::child_process> children;
  for (unsigned i = 0; i < 16; ++i) {
    children.emplace_back([&, i] { return keep_claiming(place.path(), i, *all, wanted); });
  }
  for (auto& child : children) CHECK(child.wait() == 0);
  std::printf("%u claims, %u processes killed\n", all->claims.load(), all->kills.load());
  CHECK(all->claims >= wanted);
  CHECK(all->kills > wanted / 200);
  CHECK(store.try_claim({.pool = "gpu", .count = units}));
  CHECK(ask_sqlite(place / "claims.db", "SELECT sum(used) FROM resource") == "0\n");
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM claim_item") == "0\n");
  CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
}
