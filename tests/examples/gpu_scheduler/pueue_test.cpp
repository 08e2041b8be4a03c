// pueue by its command line. The real one is in no package of Debian 12: answers in the shapes of its versions 3 and 4, and
// a stand-in that speaks its protocol and misbehaves on demand.

#include <signal.h>

#include "examples/gpu_scheduler/site.hpp"
#include "failure.hpp"
#include "pueue_executor.hpp"
#include "pueue_status.hpp"
#include "support/catch.hpp"
#include "tooling/client_call.hpp"

using gpu_scheduler::parse_pueue_status;
using gpu_scheduler::pueue_state;
using std::chrono::milliseconds;
using testing::eventually;
using testing::read_file;
using testing::scheduler_site;
using testing::write_file;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A scheduler's site whose jobs go to the stand-in.
struct pueue_site : scheduler_site {
  explicit pueue_site(const std::string& timeout = "5s") : scheduler_site("resources: {default: [g0]}\n") {
    std::filesystem::create_directories(path("pueue"));
    configure("resources: {default: [g0]}\n", "executor: {pueue: {client: [python3, -S, '" LOCKKIT_TEST_PUEUE "', '" +
                                                  path("pueue").string() +
                                                  "'], poll: 50ms, settle: 400ms, timeout: " + timeout + "}}\n");
  }
  void set(const std::string& flag, const std::string& value = "") { write_file(path("pueue") / flag, value); }
  void unset(const std::string& flag) { std::filesystem::remove(path("pueue") / flag); }
  void clean() { REQUIRE(testing::run_program({"python3", LOCKKIT_TEST_PUEUE, path("pueue").string(), "clean"}) == 0); }
  nlohmann::json tasks() {
    const std::string file = path("pueue/tasks.json").string();
    return std::filesystem::exists(file) ? nlohmann::json::parse(read_file(file)) : nlohmann::json::object();
  }
};

}  // namespace

TEST_CASE("what pueue says is read in the shapes of version 3 and 4 alike") {
  const std::string version = GENERATE("3", "4");
  const auto tasks = parse_pueue_status(read_file(LOCKKIT_TEST_RECORDED "/pueue-" + version + ".json"));
  REQUIRE(tasks.size() == 6);  // one has no label: not ours
  const std::vector<std::pair<std::string, pueue_state>> expected = {
      {"lockkit-1-1-aa", pueue_state::succeeded}, {"lockkit-2-1-bb", pueue_state::failed},
      {"lockkit-3-1-cc", pueue_state::running},   {"lockkit-4-1-dd", pueue_state::waiting},
      {"lockkit-5-1-ee", pueue_state::failed},    {"lockkit-6-1-ff", pueue_state::killed}};
  for (std::size_t n = 0; n < expected.size(); ++n) {
    CHECK(tasks[n].label == expected[n].first);
    CHECK((tasks[n].state == expected[n].second));
  }
  CHECK(tasks[1].detail == "exit status 2");
  CHECK(tasks[4].detail == "FailedToSpawn: No such file or directory");
}

TEST_CASE("an answer of pueue that is not understood is an error, and never an empty list") {
  const std::string text =
      GENERATE(values<std::string>({"", "{}", "[]", R"({"tasks": 3})", R"({"tasks": {"0": {"id": 0, "label": "x"}}})",
                                    R"({"tasks": {"0": {"id": 0, "label": "x", "status": "New"}}})",
                                    R"({"tasks": {"0": {"id": 0, "label": "x", "status": {"Done": 7}}}})"}));
  CHECK_THROWS_AS(parse_pueue_status(text), gpu_scheduler::failure);
}

TEST_CASE("words quoted for a shell come out of it as they went in") {
  const std::string word = GENERATE(values<std::string>({"", "plain", "a b", "it's", "$(id)", "\\ \" ` ;", "ä\nö"}));
  const auto answer =
      tooling::call_client({"sh", "-c", "printf %s " + tooling::quote_for_shell(word)}, std::chrono::seconds(9));
  CHECK(answer.output == word);
}

TEST_CASE("a client that does not answer is given up in time") {
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = tooling::call_client({"sleep", "30"}, std::chrono::milliseconds(100));
  CHECK(answer.started);
  CHECK_FALSE(answer.succeeded());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}

TEST_CASE("a client that is given up takes what it had started with it") {
  const testing::scratch_directory here;
  const std::string file = (here / "pid").string();
  const auto answer =
      tooling::call_client({"sh", "-c", "sleep 1000 & echo $! > \"$0\"; wait", file}, milliseconds(500));
  REQUIRE(answer.started);
  CHECK_FALSE(answer.ended);
  const int left = std::stoi(read_file(file));
  CHECK(eventually([&] { return read_file("/proc/" + std::to_string(left) + "/cmdline").empty(); }));
}

TEST_CASE("a client that has ended is not waited for because somebody keeps its outputs open") {
  const testing::scratch_directory here;
  const std::string file = (here / "pid").string();
  const auto answer =
      tooling::call_client({"sh", "-c", "sleep 1000 & echo $! > \"$0\"; echo yes", file}, milliseconds(5000));
  ::kill(std::stoi(read_file(file)), SIGKILL);
  CHECK(answer.succeeded());
  CHECK(answer.output == "yes\n");
}

TEST_CASE("that a job was missing while its client still had it does not count") {
  gpu_scheduler::configuration settings;
  settings.pueue.emplace();
  settings.pueue->client = {"sh", "-c", "[ $1 = add ] && sleep 1000; echo '{\"tasks\": {}}'", "client"};
  settings.pueue->settle = milliseconds(1000);
  settings.pueue->timeout = milliseconds(1500);
  gpu_scheduler::pueue_executor jobs(settings, [](const auto&) { return false; }, [](const auto&) {});
  lockkit::task_status task;
  task.id = task.attempt = 1;
  task.claim_key = "aa";
  task.state = lockkit::task_state::submitting;
  CHECK(jobs.look({task}).empty());
  gpu_scheduler::job what;
  what.ref = gpu_scheduler::ref_of(task);
  what.command = {"true"};
  CHECK_FALSE(jobs.start(what, -1).has_value());
  CHECK(jobs.look({task}).empty());
  REQUIRE(eventually([&] { return !jobs.look({task}).empty(); }));
}

TEST_CASE("a task that somebody restarted in pueue runs, though its first number says that it has failed") {
  const std::string failed =
      R"("9": {"id": 9, "label": "lockkit-1-1-aa", "status": {"Done": {"result": {"Failed": 1}}}})";
  const std::string runs = R"("10": {"id": 10, "label": "lockkit-1-1-aa", "status": {"Running": {}}})";
  gpu_scheduler::configuration settings;
  settings.pueue.emplace();
  settings.pueue->client = {"sh", "-c", "echo \"$0\"", "{\"tasks\": {" + failed + ", " + runs + "}}"};
  gpu_scheduler::pueue_executor jobs(settings, [](const auto&) { return true; }, [](const auto&) {});
  lockkit::task_status task;
  task.id = task.attempt = 1;
  task.claim_key = "aa";
  task.state = lockkit::task_state::running;
  const auto found = jobs.look({task});
  REQUIRE(found.size() == 1);
  CHECK((found[0].how == gpu_scheduler::job_end::running));
}

TEST_CASE("cases run through pueue in both shapes of its answers, each once") {
  const std::string shape = GENERATE("3", "4");
  pueue_site site;
  site.set("shape", shape);
  site.add_case("a b'c");
  site.add_case("bad", "exit 4");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a b'c", "done"));
  REQUIRE(site.becomes("bad", "failed"));
  CHECK(contains(site.case_named("bad").at("result"), "exit status 4"));
  CHECK(contains(read_file(site.witness() / "log"), "begin a b'c g0 default "));
  CHECK(site.used() == 0);
}

TEST_CASE("arguments survive a client that passes through a shell") {
  pueue_site site;
  site.configure("resources: {default: [g0]}\n",
                 "executor: {pueue: {client: [sh, -c, 'eval python3 -S " LOCKKIT_TEST_PUEUE " " +
                     site.path("pueue").string() + " \"$*\"', remote], remote_shell: true, poll: 50ms}}\n");
  site.add_case("a 'b' $c");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a 'b' $c", "done"));
  CHECK(contains(read_file(site.witness() / "log"), "begin a 'b' $c g0 default "));
}

TEST_CASE("a case that pueue accepted although its client failed is adopted and not started again") {
  const std::string flag = GENERATE("add-fails", "add-hangs");
  pueue_site site(flag == "add-hangs" ? "1s" : "5s");
  site.set(flag);
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  REQUIRE(site.becomes("a", "running"));
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
}

TEST_CASE("a case that pueue refused is handed back after a while and runs later") {
  pueue_site site;
  site.set("add-refuses");
  site.add_case("a");
  const auto daemon = site.start();
  REQUIRE(daemon.says("connection refused"));
  site.unset("add-refuses");
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
  CHECK(site.case_named("a").at("attempt") == 1);
}

TEST_CASE("a scheduler killed while its job is in pueue's hands is succeeded by one that finds it") {
  pueue_site site;
  site.add_case("a", "wait_for gate");
  {
    auto daemon = site.start();
    REQUIRE(site.begins("a"));
    daemon.signal(SIGKILL);
    CHECK(daemon.wait().status == 128 + SIGKILL);
  }
  CHECK(site.used() == 1);
  const auto second = site.start();
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
}

TEST_CASE("a number that pueue gave to another task is not taken for the case's") {
  pueue_site site;
  site.add_case("a", "wait_for gate");
  {
    const auto daemon = site.start();
    REQUIRE(site.begins("a"));
    REQUIRE(site.becomes("a", "running"));
  }
  site.open_gate("gate");
  REQUIRE(eventually([&] { return site.tasks().at("0").at("result") == "Success"; }));
  site.clean();
  REQUIRE(testing::run_program({"python3", LOCKKIT_TEST_PUEUE, site.path("pueue").string(), "add", "--label", "other",
                                "--", "sleep", "20"}) == 0);
  REQUIRE(site.tasks().at("0").at("label") == "other");
  const auto second = site.start();
  REQUIRE(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), "somebody removed it"));
  CHECK(site.tasks().at("0").at("result").is_null());
  REQUIRE(testing::run_program({"python3", LOCKKIT_TEST_PUEUE, site.path("pueue").string(), "kill", "0"}) == 0);
}

TEST_CASE("a daemon that can't be asked says nothing about its jobs") {
  const std::string flag = GENERATE("status-fails", "status-lies");
  pueue_site site;
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "running"));
  site.set(flag);
  REQUIRE(daemon.says("pueue can't be asked"));
  site.open_gate("gate");
  REQUIRE(eventually([&] { return site.log().size() == 2; }));
  CHECK(site.state_of("a") == "running");
  site.unset(flag);
  CHECK(site.becomes("a", "done"));
  CHECK(daemon.says("pueue answers again"));
}

TEST_CASE("cancelling a case in pueue kills it there") {
  pueue_site site;
  site.add_case("a", "wait_for never");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "running"));
  REQUIRE(site.run({"cancel", "a"}).status == 0);
  CHECK(site.becomes("a", "cancelled"));
  CHECK(site.tasks().at("0").at("result") == "Killed");
  CHECK(site.used() == 0);
}

TEST_CASE("a client that does not exist stops nothing but the start") {
  scheduler_site site;
  site.configure("resources: {any: [g0]}\n", "executor: {pueue: {client: [no-such-client], poll: 50ms}}\n");
  site.add_case("a");
  const auto daemon = site.start();
  REQUIRE(daemon.says("cannot execute 'no-such-client'"));
  CHECK(site.becomes("a", "ready"));
  CHECK(site.used() == 0);
}
