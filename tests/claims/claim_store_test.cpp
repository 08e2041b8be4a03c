#include <lockkit/claim_store.hpp>

#include <future>
#include <map>
#include <set>
#include <thread>

#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;

using testing::add_gpus;
using testing::ask_sqlite;
using testing::await_waiters;
using testing::names;

TEST_CASE("a claim is granted once, and again after its release, with a greater token") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto first = store.try_claim({.pool = "gpu"});
  REQUIRE(first);
  CHECK(names(*first) == std::set<std::string>{"g0"});
  CHECK(first->key().size() == 32);
  CHECK(first->verify());
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  const auto token = first->items()[0].token;
  first->release();
  CHECK_FALSE(first->verify());
  const auto second = store.try_claim({.pool = "gpu"});
  REQUIRE(second);
  CHECK(second->items()[0].token > token);
}

TEST_CASE("a second release and a release after a loss report claim_lost and change nothing") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  held->release();
  std::error_code ec;
  held->release(ec);
  CHECK(ec == errc::claim_lost);
  const auto next = store.try_claim({.pool = "gpu"});
  held->release(ec);
  CHECK(ec == errc::claim_lost);
  CHECK(store.list()[0].used == 1);
}

TEST_CASE("destroying, move-assigning and letting go of a claim give it back") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  auto a = store.try_claim({.pool = "gpu"});
  auto b = store.try_claim({.pool = "gpu"});
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  *a = std::move(*b);
  CHECK(store.try_claim({.pool = "gpu"}));
  a.reset();
  CHECK(store.try_claim({.pool = "gpu", .count = 2}));
}

TEST_CASE("a gang is granted whole or not at all") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 3);
  auto one = store.try_claim({.pool = "gpu"});
  CHECK_FALSE(store.try_claim({.pool = "gpu", .count = 3}));
  CHECK(store.list("gpu")[0].used + store.list("gpu")[1].used + store.list("gpu")[2].used == 1);
  one->release();
  const auto all = store.try_claim({.pool = "gpu", .count = 3});
  REQUIRE(all);
  CHECK(names(*all).size() == 3);
}

TEST_CASE("matching: memory, group, attributes; the smallest that fits goes first") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "big", .group = "b", .memory = 80, .attributes = R"({"arch":"hopper","n":2})"});
  store.add({.pool = "gpu", .name = "small", .group = "a", .memory = 24, .attributes = R"({"arch":"ada"})"});
  store.add({.pool = "gpu", .name = "mid", .group = "a", .memory = 40, .attributes = R"({"arch":"ada","x":"y\"z"})"});
  CHECK(names(*store.try_claim({.pool = "gpu"})) == std::set<std::string>{"small"});
  CHECK(names(*store.try_claim({.pool = "gpu", .memory = 25})) == std::set<std::string>{"mid"});
  CHECK(names(*store.try_claim({.pool = "gpu", .group = "b"})) == std::set<std::string>{"big"});
  CHECK(names(*store.try_claim({.pool = "gpu", .match = R"({"arch":"hopper","n":2})"})) ==
        std::set<std::string>{"big"});
  CHECK(names(*store.try_claim({.pool = "gpu", .match = R"({"x":"y\"z"})"})) == std::set<std::string>{"mid"});
  CHECK(names(*store.try_claim({.pool = "gpu", .count = 2, .one_group = true})) ==
        std::set<std::string>{"small", "mid"});
  std::error_code ec;
  for (const claim_request& never :
       {claim_request{.pool = "gpu", .memory = 81}, claim_request{.pool = "tpu"},
        claim_request{.pool = "gpu", .count = 4}, claim_request{.pool = "gpu", .group = "c"},
        claim_request{.pool = "gpu", .match = R"({"arch":"none"})"},
        claim_request{.pool = "gpu", .count = 3, .one_group = true}}) {
    CHECK_FALSE(store.claim_until(never, deadline::after(10s), {}, ec));
    CHECK(ec == errc::no_such_resource);
  }
  CHECK_FALSE(store.try_claim({.pool = ""}, ec));
  CHECK(ec == std::errc::invalid_argument);
  CHECK_FALSE(store.try_claim({.pool = "gpu", .match = "not json"}, ec));
  CHECK(ec == std::errc::invalid_argument);
  store.add({.pool = "gpu", .name = "x", .attributes = "[1]"}, ec);
  CHECK(ec == std::errc::invalid_argument);
}

TEST_CASE("matching: true is not 1, a list not its text, and null not what is missing; 1 is 1.0") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add(
      {.pool = "gpu", .name = "g0", .attributes = R"({"one": 1, "text": "[1,2]", "null": null, "list": [1, 2]})"});
  const auto matches = [&](const char* match) {
    std::error_code ec;
    return store.try_claim({.pool = "gpu", .match = match}, ec).has_value();
  };
  CHECK_FALSE(matches(R"({"one": true})"));
  CHECK_FALSE(matches(R"({"text": [1,2]})"));
  CHECK_FALSE(matches(R"({"missing": null})"));
  CHECK_FALSE(matches(R"({"one": "1"})"));
  CHECK(matches(R"({"one": 1.0, "null": null, "list": [1,2]})"));
}

TEST_CASE("more memory than a database can count is in no resource") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "g0", .memory = 80});
  constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  std::error_code ec;
  CHECK_FALSE(store.try_claim({.pool = "gpu", .memory = huge}, ec));
  CHECK(ec == errc::no_such_resource);
  CHECK_FALSE(store.add({.pool = "gpu", .name = "g1", .memory = huge}, ec));
  CHECK(ec == std::errc::invalid_argument);
}

TEST_CASE("a resource with capacity is claimed so many times") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "licence", .name = "cad", .capacity = 3});
  std::vector<claim> held;
  while (auto next = store.try_claim({.pool = "licence"})) held.push_back(std::move(*next));
  CHECK(held.size() == 3);
  std::error_code ec;
  store.add({.pool = "licence", .name = "cad", .capacity = 2}, ec);
  CHECK(ec == errc::in_use);
  CHECK(store.list()[0].what.capacity == 3);
}

TEST_CASE("drained and retired resources keep their claims and get no new ones") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  const auto token = held->items()[0].token;
  CHECK(store.set_state("gpu", "g0", resource_state::drained));
  CHECK_FALSE(store.set_state("gpu", "g0", resource_state::drained));
  CHECK(held->verify());
  held->release();
  std::error_code ec;
  CHECK_FALSE(store.try_claim({.pool = "gpu"}, ec));
  CHECK_FALSE(ec);  // it may be restored: who waits, waits on
  store.set_state("gpu", "g0", resource_state::retired);
  CHECK_FALSE(store.try_claim({.pool = "gpu"}, ec));
  CHECK(ec == errc::no_such_resource);
  CHECK(store.list().empty());
  CHECK(store.list("gpu", true).size() == 1);
  CHECK(store.add({.pool = "gpu", .name = "g0"}));
  const auto again = store.try_claim({.pool = "gpu"});
  REQUIRE(again);
  CHECK(again->items()[0].token > token);
  store.set_state("gpu", "none", resource_state::drained, ec);
  CHECK(ec == errc::no_such_resource);
}

TEST_CASE("every change leaves its event") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  (void)store.try_claim({.pool = "gpu"});
  store.set_state("gpu", "g0", resource_state::drained);
  std::vector<std::string> kinds;
  for (const auto& event : store.events()) kinds.push_back(event.kind);
  CHECK(kinds == std::vector<std::string>{"added", "claimed", "released", "drained"});
  CHECK(store.events(store.events()[1].id).size() == 2);
  CHECK(store.events(0, 1).size() == 1);
}

TEST_CASE("a waiter gets what is released, in its process and in another") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  CHECK_FALSE(store.claim_for({.pool = "gpu"}, 30ms));
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "0\n");
  testing::child_process other([&] {  // forked while no other thread can be inside SQLite
    claim_store theirs(place / "claims.db");
    return theirs.claim_for({.pool = "gpu"}, 30s) ? 0 : 1;
  });
  auto same_process = std::async(std::launch::async, [&] { return store.claim_for({.pool = "gpu"}, 30s).has_value(); });
  await_waiters(place / "claims.db", 2);
  held->release();
  CHECK(same_process.get());
  CHECK(other.wait() == 0);
}

TEST_CASE("a stop ends a wait and leaves nobody in the queue") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  const auto held = store.try_claim({.pool = "gpu"});
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return store.claim_until({.pool = "gpu"}, deadline::never(), stop.get_token()).has_value();
  });
  stop.request_stop();
  CHECK_FALSE(waiting.get());
  CHECK(ask_sqlite(place / "claims.db", "SELECT count(*) FROM waiter") == "0\n");
}

TEST_CASE("waiters are served in the order in which they came, and a newcomer does not overtake them") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 1);
  auto held = store.try_claim({.pool = "gpu"});
  std::mutex mutex;
  std::vector<int> served;
  std::vector<std::future<void>> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.push_back(std::async(std::launch::async, [&, i] {
      const auto mine = store.claim_for({.pool = "gpu"}, 30s);
      const std::scoped_lock hold(mutex);
      served.push_back(mine ? i : -1);
    }));
    await_waiters(place / "claims.db", i + 1);
  }
  held->release();
  for (auto& waiter : waiters) waiter.wait();
  CHECK(served == std::vector<int>{0, 1, 2});
}

TEST_CASE("a free unit is not refused for the sake of a waiter whom it would not help") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  store.add({.pool = "gpu", .name = "big", .memory = 80});
  store.add({.pool = "gpu", .name = "small", .memory = 24});
  auto big = store.try_claim({.pool = "gpu", .memory = 80});
  auto waiting =
      std::async(std::launch::async, [&] { return store.claim_for({.pool = "gpu", .memory = 80}, 30s).has_value(); });
  await_waiters(place / "claims.db", 1);
  CHECK(store.try_claim({.pool = "gpu"}));
  big->release();
  CHECK(waiting.get());
}

TEST_CASE("16 processes and 8 resources: exactly 8 succeed at once, on 8 different ones") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 8);
  testing::signal_pipe go;
  testing::signal_pipe tried;
  testing::signal_pipe end;
  std::vector<testing::child_process> children;
  for (int i = 0; i < 16; ++i) {
    children.emplace_back([&] {
      claim_store theirs(place / "claims.db");
      go.receive();
      const auto mine = theirs.try_claim({.pool = "gpu"});
      tried.send();
      end.receive();
      return mine ? 10 + (mine->items()[0].name[1] - '0') : 1;
    });
  }
  for (int i = 0; i < 16; ++i) go.send();
  for (int i = 0; i < 16; ++i) tried.receive();
  for (int i = 0; i < 16; ++i) end.send();
  std::map<int, int> results;
  for (auto& child : children) ++results[child.wait()];
  CHECK(results[1] == 8);
  for (int g = 0; g < 8; ++g) CHECK(results[10 + g] == 1);
  CHECK(store.try_claim({.pool = "gpu", .count = 8}));
}

TEST_CASE("32 processes open a new database at once") {
  testing::scratch_directory place;
  for (int round = 0; round < 3; ++round) {
    const auto path = place / ("c" + std::to_string(round) + ".db");
    testing::signal_pipe go;
    std::vector<testing::child_process> children;
    for (int i = 0; i < 32; ++i) {
      children.emplace_back([&] {
        go.receive();
        claim_store store(path);
        store.add({.pool = "p", .name = "r"});
        return store.list().size() == 1 ? 0 : 1;
      });
    }
    for (int i = 0; i < 32; ++i) go.send();
    for (auto& child : children) CHECK(child.wait() == 0);
    CHECK(ask_sqlite(path, "PRAGMA integrity_check") == "ok\n");
  }
}

TEST_CASE("another program's database, a newer one, and what is no database are refused unchanged") {
  testing::scratch_directory place;
  std::error_code ec;
  ask_sqlite(place / "other.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  const auto before = testing::read_file(place / "other.db");
  claim_store other(place / "other.db", {}, ec);
  CHECK(ec == errc::not_our_database);
  CHECK(testing::read_file(place / "other.db") == before);
  testing::write_file(place / "text", std::string(5000, 'x'));
  claim_store text(place / "text", {}, ec);
  CHECK(ec == errc::not_our_database);
  CHECK(testing::read_file(place / "text") == std::string(5000, 'x'));
  {
    claim_store mine(place / "mine.db");
  }
  ask_sqlite(place / "mine.db", "PRAGMA user_version = 99");
  claim_store newer(place / "mine.db", {}, ec);
  CHECK(ec == errc::newer_schema);
  claim_store missing(place / "no" / "claims.db", {}, ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  claim_store nameless("", {}, ec);
  CHECK(ec == errc::invalid_name);
}
