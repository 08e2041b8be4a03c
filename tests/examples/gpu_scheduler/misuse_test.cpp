// What people and disks do to it that is nobody's intention: replaced databases, full disks, changed executors, names that
// mean two things.

#include "examples/gpu_scheduler/site.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::read_file;
using testing::scheduler_site;
using testing::write_file;

namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* one_gpu = "resources: {any: [g0]}\n";

std::string pueue_executor(const scheduler_site& site) {
  return "executor: {pueue: {client: [python3, -S, '" LOCKKIT_TEST_PUEUE "', '" + site.path("pueue").string() +
         "'], poll: 50ms, settle: 300ms, timeout: 5s}}\n";
}

}  // namespace

TEST_CASE("where a database is replaced, its new cases are not judged by the records of the old ones") {
  scheduler_site site(one_gpu);
  site.add_case("a");
  {
    const auto daemon = site.start();
    REQUIRE(site.becomes("a", "done"));
  }
  for (const char* each : {"cases.db", "cases.db-wal", "cases.db-shm", "cases.db-gate", "cases.db-live"}) {
    fs::remove(site.path(each));
  }
  fs::remove_all(site.path("new/a"));
  site.add_case("b");
  const auto daemon = site.start();
  REQUIRE(site.becomes("b", "failed"));
  CHECK(contains(site.case_named("b").at("result"), "1-1.begun' is of another claim"));
  CHECK(site.begun("b") == 0);
  REQUIRE(site.run({"retry", "b"}).status == 0);
  CHECK(site.becomes("b", "done"));
  CHECK(site.begun("b") == 1);
}

TEST_CASE("a job that leaves no room for its record is done all the same") {
  scheduler_site site(one_gpu);
  site.add_case("a", "mv ../../state/runs ../../state/full; : > ../../state/runs");
  const auto daemon = site.start();
  REQUIRE(eventually([&] { return site.state_of("a") == "done" || site.state_of("a") == "failed"; }));
  CHECK(site.state_of("a") == "done");
}

TEST_CASE("runners that can't begin are not started one after the other without a pause") {
  scheduler_site site(one_gpu);
  const auto daemon = site.start();
  REQUIRE(daemon.says("serving"));
  fs::rename(site.path("state/runs"), site.path("state/away"));
  write_file(site.path("state/runs"), "");
  site.add_case("a");
  REQUIRE(daemon.says("runners.log' may say why; trying again in"));
  fs::remove(site.path("state/runs"));
  fs::rename(site.path("state/away"), site.path("state/runs"));
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
}

TEST_CASE("a case with an odd marker does not end the service") {
  scheduler_site site(one_gpu, "complete: READY\n");
  fs::create_directories(site.path("new/.a"));
  fs::create_symlink("READY", site.path("new/.a/READY"));
  write_file(site.path("new/.a/file"), "");
  fs::rename(site.path("new/.a"), site.path("new/a"));
  const auto daemon = site.start();
  REQUIRE(daemon.says("new/a' is not complete yet"));
  site.add_case("b");
  write_file(site.path("new/b/READY"), "");
  CHECK(site.becomes("b", "done"));
}

TEST_CASE("a name that is another case's number names neither") {
  scheduler_site site(one_gpu);
  site.add_case("2");
  site.add_case("other");
  REQUIRE(site.run({"submit", site.path("new/2").string(), site.path("new/other").string()}).status == 0);
  const auto answer = site.run({"cancel", "2"});
  CHECK(answer.status == 64);
  CHECK(contains(answer.err, "'2' is the number of 'other' and the name of number 1"));
  CHECK(site.all_become("ready", 2));
  CHECK(site.run({"cancel", site.path("new/2").string()}).status == 0);
  CHECK(site.state_of("2") == "cancelled");
  CHECK(site.state_of("other") == "ready");
}

TEST_CASE("a case that was submitted for one kind of executor is not started by another") {
  scheduler_site site(one_gpu);
  fs::create_directories(site.path("pueue"));
  site.add_case("a");
  REQUIRE(site.run({"submit", site.path("new/a").string()}).status == 0);
  site.configure(one_gpu, pueue_executor(site));
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), "another kind of executor"));
  CHECK(site.begun("a") == 0);
}

TEST_CASE("what runs by one kind of executor is not judged by a scheduler of another") {
  const char* two_gpus = "resources: {default: [g0, g1]}\n";
  scheduler_site site(two_gpus);
  fs::create_directories(site.path("pueue"));
  site.add_case("a", "wait_for gate");
  {
    const auto daemon = site.start();
    REQUIRE(site.begins("a"));
  }
  site.configure(two_gpus, pueue_executor(site));
  const auto daemon = site.start();
  site.add_case("b", "wait_for never");
  REQUIRE(site.begins("b"));
  REQUIRE(site.becomes("b", "running"));
  write_file(site.path("pueue/tasks.json"), "{}");
  REQUIRE(site.becomes("b", "failed"));  // by then "a" was missing for longer
  CHECK(site.state_of("a") == "running");
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
}

TEST_CASE("a case that comes back under a name that was used is said not to run") {
  scheduler_site site(one_gpu);
  site.add_case("a");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "done"));
  fs::remove_all(site.path("new/a"));
  REQUIRE(daemon.says("new/a' has vanished"));
  site.add_case("a", "exit 3");
  REQUIRE(daemon.says("'a' is there again: the name is taken by case 1"));
  CHECK(site.begun("a") == 1);
}

TEST_CASE("that a job writes in its case's directory is not said to be in the way") {
  scheduler_site site(one_gpu);
  site.add_case("a", "exec 5>out; for n in $(seq 60); do echo $n >&5; sleep 0.01; done; wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  REQUIRE(eventually([&] { return contains(read_file(site.path("new/a/out")), "60\n"); }));
  fs::create_directories(site.path("new/b"));
  write_file(site.path("new/b/c.part"), "");
  REQUIRE(daemon.says("new/b' is not complete yet"));
  CHECK_FALSE(contains(daemon.errors(), "new/a' is not complete yet"));
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
}
