// One manager at a time, no event lost, nothing submitted twice: with a stand-in for Slurm, so that each moment can be had
// on demand. With the real one: examples/slurm/system_test.cpp.

#include <signal.h>
#include <sqlite3.h>

#include <lockkit/lock_file.hpp>

#include "examples/job_callbacks/workflow_site.hpp"
#include "examples/slurm/stand_in.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* two_steps =
    "materials: [Si, Ge]\nsteps:\n  - {name: OPT, command: [relax, '{material}']}\n"
    "  - {name: SP, after: [OPT], command: [single_point, '{before}']}\n";

struct place {
  explicit place(const std::string& more = two_steps) : site(slurm.yaml_prefix(), more) {}
  slurm_stand_in slurm;
  workflow_site site;

  void plan() const {
    const tool_result result = site.run({"plan"});
    INFO(result.err);
    REQUIRE(result.status == 0);
  }
  [[nodiscard]] std::size_t events() const {
    const auto& all = std::filesystem::directory_iterator(site.state() / "events");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("each step is submitted when those before it are done, once, and as often as plan is called") {
  const place here;
  here.plan();
  CHECK(here.slurm.accepted().size() == 2);
  here.plan();
  REQUIRE(here.slurm.accepted().size() == 2);
  CHECK(here.site.step("SP/Si").at("state") == "ready");
  CHECK(contains(here.site.step("SP/Si").at("note"), "OPT/mat_Si"));
  CHECK(here.site.live(here.slurm.accepted()[0], "1").status == 0);
  CHECK(here.site.step("OPT/Si").at("state") == "done");
  CHECK(here.site.step("SP/Si").at("state") == "submitted");
  CHECK(here.site.step("SP/Ge").at("state") == "ready");
  REQUIRE(here.slurm.accepted().size() == 3);
  CHECK(here.site.live(here.slurm.accepted()[0], "9").status == 75);  // a second job of the same attempt
  CHECK(here.site.live(here.slurm.accepted()[2], "3").status == 0);
  CHECK(here.site.step("SP/Si").at("state") == "done");
  CHECK(std::filesystem::is_empty(here.site.state() / "scripts"));
  CHECK(here.slurm.accepted().size() == 3);
}

TEST_CASE("a step that failed is not followed, says so, and may be retried") {
  const place here;
  here.plan();
  const std::string name = here.slurm.accepted()[0];
  std::vector<std::string> end = {"callback", "--status", "7"};
  for (const std::string& each : here.site.attempt_of(name)) end.push_back(each);
  CHECK(here.site.run(end).status == 0);
  CHECK(here.site.step("OPT/Si").at("state") == "failed");
  CHECK(here.site.step("OPT/Si").at("note") == "exit status 7");
  CHECK(here.slurm.accepted().size() == 2);
  CHECK(here.site.run({"retry", "OPT/Ge"}).status == 64);
  CHECK(here.site.run({"retry", "OPT/none"}).status == 66);
  CHECK(here.site.run({"retry", "OPT/Si"}).status == 0);
  REQUIRE(here.slurm.accepted().size() == 3);
  CHECK(here.site.live(name, "1").status == 75);  // the attempt before
  CHECK(here.site.live(here.slurm.accepted()[2], "3").status == 0);
  CHECK(here.site.step("SP/Si").at("state") == "submitted");
}

TEST_CASE("a callback does not wait for a manager: it leaves its event, says who is at work, and goes") {
  const place here;
  here.plan();
  {
    lockkit::lock_file manager(here.site.state() / "manager.lock", {.label = "the test"});
    manager.lock();
    for (int n = 0; n < 2; ++n) {
      const tool_result result = here.site.live(here.slurm.accepted()[static_cast<std::size_t>(n)], std::to_string(n));
      CHECK(result.status == 0);
      CHECK(contains(result.err, "a manager is at work (pid " + std::to_string(::getpid())));
    }
    CHECK(here.events() == 2);
    CHECK(here.site.step("OPT/Si").at("state") == "running");
  }
  CHECK(here.site.run({"reconcile"}).status == 0);
  CHECK(here.events() == 0);
  CHECK(here.site.count("done") == 2);
  CHECK(here.slurm.accepted().size() == 4);
}

TEST_CASE("of three managers at once one works, and the others leave at once") {
  const place here;
  here.slurm.set("sbatch", "touch \"$here/inside\"; while [ ! -e \"$here/gate\" ]; do sleep 0.02; done; echo 1");
  const auto first = here.site.start({"plan"});
  REQUIRE(eventually([&] { return std::filesystem::exists(here.slurm.folder() / "inside"); }));
  for (int n = 0; n < 2; ++n) {
    const tool_result result = here.site.run({"plan"});
    CHECK(result.status == 0);
    CHECK(contains(result.err, "a manager is at work"));
  }
  CHECK(here.site.run({"reconcile", "--timeout", "0.1"}).status == 75);
  CHECK_FALSE(first.errors().find("is submitted") != std::string::npos);
  write_file(here.slurm.folder() / "gate", "");
  CHECK(first.says("OPT/mat_Ge is submitted"));
}

TEST_CASE("an event that is left between the manager's last look and its release is seen by it after the release") {
  if (!has_program("strace")) {
    WARN("skipped: no strace");
    return;
  }
  const place here;
  here.plan();
  const auto jobs = here.slurm.accepted();
  std::vector<std::string> slow = {"strace",
                                   "-f",
                                   "-qq",
                                   "-o",
                                   "/dev/null",
                                   "-P",
                                   (here.site.state() / "manager.lock").string(),
                                   "-e",
                                   "trace=unlinkat,unlink,renameat2",
                                   "-e",
                                   "inject=unlinkat,unlink,renameat2:delay_enter=4000000:when=1"};
  for (const std::string& each : here.site.command({"plan"})) slow.push_back(each);
  running_program manager(here.site.directory(), slow);
  // The lock is held, and its events are gone: it is before the release.
  REQUIRE(eventually([&] { return std::filesystem::exists(here.site.state() / "manager.lock"); }));
  REQUIRE(eventually([&] { return here.events() == 0; }));
  std::this_thread::sleep_for(200ms);
  const tool_result left = here.site.live(jobs[0], "1");
  INFO(left.err);
  CHECK(contains(left.err, "a manager is at work"));
  CHECK(manager.wait().status == 0);
  CHECK(here.site.step("OPT/Si").at("state") == "done");
  CHECK(here.site.step("SP/Si").at("state") == "submitted");
  CHECK(here.events() == 0);
}

TEST_CASE("a database that somebody locks for a while is waited for, and nobody is told of it") {
  const place here;
  here.plan();
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open((here.site.state() / "steps.db").c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  auto name = here.slurm.accepted()[0];
  tool_result result;
  std::thread callback([&] { result = here.site.live(name, "1"); });
  std::this_thread::sleep_for(700ms);
  REQUIRE(sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  callback.join();
  sqlite3_close(db);
  CHECK(result.status == 0);
  CHECK_FALSE(contains(result.err, "locked"));
  CHECK(here.site.step("SP/Si").at("state") == "submitted");
}

TEST_CASE("never more jobs than max_jobs less reserve, nor more in one pass than max_submit") {
  std::string materials;
  for (int n = 0; n < 12; ++n) materials += (n == 0 ? "m" : ", m") + std::to_string(n);
  const place here("materials: [" + materials +
                   "]\nsteps: [{name: A, command: [a]}]\nlimits: {max_jobs: 9, reserve: 3, max_submit: 4}\n");
  here.plan();
  CHECK(here.slurm.accepted().size() == 4);
  here.plan();
  CHECK(here.slurm.accepted().size() == 6);
  here.plan();
  CHECK(here.slurm.accepted().size() == 6);
  CHECK(here.site.live(here.slurm.accepted()[2], "3").status == 0);
  CHECK(here.slurm.accepted().size() == 7);
}

TEST_CASE("a submission whose answer was lost is adopted, and one that Slurm never had is made again by reconcile") {
  const place here;
  const std::string working = read_file(here.slurm.folder() / "sbatch");
  SECTION("it was accepted") {
    here.slurm.set("sbatch", ". \"$here/really\" >/dev/null; echo 'Socket timed out' >&2; exit 1");
    write_file(here.slurm.folder() / "really", working);
    here.plan();
    CHECK(here.slurm.accepted().size() == 2);
    CHECK(here.site.count("submitted") == 2);
    CHECK(here.site.run({"reconcile"}).status == 0);
    CHECK(here.slurm.accepted().size() == 2);
  }
  SECTION("it was not") {
    here.slurm.set("sbatch", "echo tried >>\"$here/tries\"; exit 1");
    const tool_result result = here.site.run({"plan"});
    CHECK(contains(result.err, "whether OPT/mat_Si was submitted is not known: run 'job_callbacks reconcile'"));
    CHECK(here.site.step("OPT/Si").at("state") == "submitting");
    CHECK(read_file(here.slurm.folder() / "tries") == "tried\n");  // not fifty times a controller that does not answer
    write_file(here.slurm.folder() / ".sbatch", working);
    std::filesystem::rename(here.slurm.folder() / ".sbatch", here.slurm.folder() / "sbatch");
    CHECK(here.site.run({"reconcile"}).status == 0);
    CHECK(here.slurm.accepted().size() == 2);
    CHECK(here.site.count("submitted") == 2);
  }
}

TEST_CASE("while Slurm can't be reached reconcile concludes nothing and says so") {
  const place here;
  here.plan();
  here.slurm.set("squeue", "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1");
  const tool_result result = here.site.run({"reconcile"});
  CHECK(result.status == 69);
  CHECK(contains(result.err, "Unable to contact slurm controller"));
  CHECK(here.site.count("submitted") == 2);
  CHECK(here.slurm.accepted().size() == 2);
}

TEST_CASE("a file among the events that is none is put aside, and the others are read") {
  const place here;
  here.plan();
  const auto events = here.site.state() / "events";
  write_file(events / "0.json", "{\"task\": 1");
  write_file(events / "1.json", std::string(100'000, ' '));
  std::filesystem::create_symlink("/etc/passwd", events / "2.json");
  std::filesystem::create_directory(events / "3.json");
  write_file(events / "4.json", R"({"task": 1, "attempt": 1, "claim": "somebody's", "status": 0})");
  CHECK(here.site.live(here.slurm.accepted()[0], "1").status == 0);
  CHECK(here.events() == 0);
  CHECK(here.site.step("OPT/Si").at("state") == "done");
  CHECK(here.site.step("OPT/Ge").at("state") == "submitted");
  CHECK(std::filesystem::exists(here.site.state() / "rejected/0.json"));
}
