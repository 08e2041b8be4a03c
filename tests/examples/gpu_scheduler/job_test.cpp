// One case at a time: how it begins, how it ends, and what keeps its GPU.

#include <signal.h>

#include "examples/gpu_scheduler/site.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::read_file;
using testing::scheduler_site;
using testing::tool_result;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* one_gpu = "resources: {any: [g0]}\n";

}  // namespace

TEST_CASE("a case runs in its directory, on the GPU that it got, with its output kept") {
  scheduler_site site("resources: {any: [GPU-1]}\n", "environment: {COLOUR: green}\n");
  site.add_case("a b", "pwd; echo \"$COLOUR\" >&2; test \"$CUDA_DEVICE_ORDER\" = PCI_BUS_ID");
  const auto daemon = site.start();
  REQUIRE(eventually([&] { return site.cases().size() == 1 && site.cases()[0].at("state") == "done"; }));
  const std::string runs = site.path("state/runs/1-1").string();
  CHECK(read_file(runs + "/stdout") == site.path("new/a b").string() + "\n");
  CHECK(read_file(runs + "/stderr") == "green\n");
  CHECK(site.cases()[0].at("gpus") == nlohmann::json{"GPU-1"});
  CHECK(site.used() == 0);
}

TEST_CASE("a command that fails says how, and one that does not exist says so") {
  const auto [command, text] = GENERATE(table<std::string, std::string>({
      {"command: [sh, -c, 'exit 3']\n", "exit status 3"},
      {"command: [sh, -c, 'kill -9 $$']\n", "killed by signal 9"},
      {"command: [no-such-program]\n", "cannot execute 'no-such-program': No such file or directory"},
  }));
  scheduler_site site;
  testing::write_file(site.path("config.yaml"),
                      "database: cases.db\nfolder: new\nstate: state\nsettle: 30ms\n" + std::string(one_gpu) + command);
  site.add_case("a");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), text));
  CHECK(site.used() == 0);
}

TEST_CASE("a failed case is tried again as often as allowed, and by hand") {
  scheduler_site site(one_gpu, "limits: {attempts: 2}\n");
  site.add_case("a", "[ -e ../../fixed ]");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "failed"));
  CHECK(site.begun("a") == 2);
  testing::write_file(site.path("fixed"), "");
  CHECK(contains(site.run({"retry", "a"}).out, "ready again"));
  CHECK(site.becomes("a", "done"));
  CHECK(site.begun("a") == 3);
  CHECK(contains(site.run({"retry", "a"}).out, "it is done"));
}

TEST_CASE("a running case is stopped by cancel, with its whole tree, also while no scheduler runs") {
  scheduler_site site(one_gpu, "limits: {grace: 60s}\n");
  site.add_case("a", "setsid sleep 60 & wait_for never");
  site.add_case("b");
  {
    const auto daemon = site.start();
    REQUIRE(site.begins("a"));
    REQUIRE(site.becomes("b", "ready"));
  }
  CHECK(contains(site.run({"cancel", "b"}).out, "b is cancelled"));
  CHECK(site.run({"cancel", "a"}).status == 0);
  REQUIRE(site.becomes("a", "cancelled"));
  CHECK(site.used() == 0);
  CHECK(site.begun("b") == 0);
}

TEST_CASE("a case that does not listen to SIGTERM is killed after the grace time") {
  scheduler_site site(one_gpu, "limits: {time: 200ms, grace: 100ms}\n");
  site.add_case("a", "trap '' TERM; wait_for never");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), "stopped after 0.2 s, its time limit: killed by signal 9"));
  CHECK(site.used() == 0);
}

TEST_CASE("a GPU stays claimed while a grandchild lives, though the command has ended") {
  scheduler_site site(one_gpu);
  site.add_case("a", "(trap '' HUP; exec >/dev/null 2>&1; wait_for gate) & disown");
  const auto daemon = site.start();
  REQUIRE(eventually([&] { return site.log().size() == 2; }));  // begin and end
  site.add_case("b");
  REQUIRE(site.becomes("b", "ready"));
  CHECK(site.state_of("a") == "running");
  CHECK(site.used() == 1);
  site.open_gate("gate");
  CHECK(site.all_become("done", 2));
  CHECK(site.judge(2).empty());
}

TEST_CASE("a job that closes what it inherited keeps its GPU by its runner") {
  scheduler_site site(one_gpu);
  site.add_case("a", "exec 3>&-; wait_for gate");
  auto daemon = site.start();
  REQUIRE(site.begins("a"));
  daemon.signal(SIGKILL);
  CHECK(daemon.wait().status == 128 + SIGKILL);
  const auto second = site.start();
  site.add_case("b");
  REQUIRE(site.becomes("b", "ready"));
  CHECK(site.state_of("a") == "running");
  site.open_gate("gate");
  CHECK(site.all_become("done", 2));
  CHECK(site.judge(2).empty());
}

TEST_CASE("a killed runner frees its GPU only when the job has ended, and the case is not run again") {
  scheduler_site site(one_gpu);
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  ::kill(site.runner_of("a"), SIGKILL);
  site.add_case("b");
  REQUIRE(site.becomes("b", "ready"));
  CHECK(site.state_of("a") == "running");
  CHECK(site.begun("b") == 0);
  site.open_gate("gate");
  REQUIRE(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), "its runner was killed"));
  CHECK(site.becomes("b", "done"));
  CHECK(site.judge(2).empty());
}

TEST_CASE("a second runner of the same attempt leaves at once") {
  scheduler_site site(one_gpu);
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  const auto record = nlohmann::json::parse(read_file(site.path("state/runs/1-1.begun")));
  std::vector<std::string> again = {"run-job", "--life", "0", "--task", "1", "--attempt", "1", "--name", "local-1-1"};
  for (const auto& [option, value] : std::map<std::string, std::string>{{"--database", site.path("cases.db").string()},
                                                                        {"--state", site.path("state").string()},
                                                                        {"--case", site.path("new/a").string()},
                                                                        {"--claim", record.at("claim")}}) {
    again.insert(again.end(), {option, value});
  }
  again.emplace_back("--");
  for (const std::string word : record.at("command")) again.push_back(word);
  CHECK(site.run(again).status == 0);
  CHECK(site.state_of("a") == "running");
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
}

TEST_CASE("jobs outlive the scheduler, and the next one adopts them") {
  const int signal = GENERATE(SIGTERM, SIGKILL);
  scheduler_site site(one_gpu);
  site.add_case("a", "wait_for gate");
  {
    auto daemon = site.start();
    REQUIRE(site.begins("a"));
    daemon.signal(signal);
    CHECK(daemon.wait().status == (signal == SIGTERM ? 0 : 128 + SIGKILL));
  }
  CHECK(site.state_of("a") == "running");
  const auto second = site.start();
  REQUIRE(second.says("serving"));
  CHECK(site.used() == 1);
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
  CHECK(site.judge(1).empty());
}

TEST_CASE("a job that ends while no scheduler runs is on record at once") {
  scheduler_site site(one_gpu);
  site.add_case("a", "wait_for gate; exit 7");
  {
    const auto daemon = site.start();
    REQUIRE(site.begins("a"));
  }
  site.open_gate("gate");
  CHECK(site.becomes("a", "failed"));
  CHECK(contains(site.case_named("a").at("result"), "exit status 7"));
}

TEST_CASE("a case whose directory vanishes fails with that, waiting or running") {
  scheduler_site site(one_gpu);
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  site.add_case("b");
  REQUIRE(site.becomes("b", "ready"));
  std::filesystem::remove_all(site.path("new/a"));
  std::filesystem::remove_all(site.path("new/b"));
  site.open_gate("gate");
  REQUIRE(site.all_become("failed", 2));
  CHECK(contains(site.case_named("a").at("result"), "vanished while it ran"));
  CHECK(contains(site.case_named("b").at("result"), "is gone"));
}

TEST_CASE("a case submitted by hand runs once, however often and by whatever path it is submitted") {
  scheduler_site site(one_gpu);
  site.add_case("a");
  const std::string path = site.path("new/a").string();
  std::filesystem::create_directory_symlink("new", site.path("alias"));
  const std::string alias = site.path("alias/a").string();
  CHECK(site.run({"submit", path, path + "/", site.path("new/../new/a").string(), alias}).status == 0);
  CHECK(site.run({"submit", site.path("new/none").string()}).status == 66);
  const auto daemon = site.start();
  CHECK(site.all_become("done", 1));
  CHECK(site.begun("a") == 1);
}

TEST_CASE("names of cases reach the command as they are") {
  const std::string name =
      GENERATE(values<std::string>({"$(touch owned)", "a;b", "'q\"", "{case}", "-rf", "[a,b]", "ä ö"}));
  scheduler_site site(one_gpu);
  site.add_case(name);
  const auto daemon = site.start();
  REQUIRE(site.all_become("done", 1));
  CHECK(contains(read_file(site.witness() / "log"), "begin " + name + " g0 any "));
  CHECK(site.cases()[0].at("case") == name);
}

TEST_CASE("status goes on to tell of changes while it is watched") {
  scheduler_site site(one_gpu);
  const testing::running_program watched(
      site.directory(), {GPU_SCHEDULER_PROGRAM, "--config", site.path("config.yaml").string(), "status", "--watch"});
  REQUIRE(watched.prints("no cases"));
  site.add_case("a");
  const auto daemon = site.start();
  CHECK(watched.prints("1 done"));
}

TEST_CASE("the page of the history is complete in itself and names every case") {
  scheduler_site site;
  site.add_case("one <b>");
  site.add_case("two", "false");
  const auto daemon = site.start();
  REQUIRE(site.becomes("one <b>", "done"));
  REQUIRE(site.becomes("two", "failed"));
  const std::string file = site.path("page.html").string();
  REQUIRE(site.run({"history", "--html", file}).status == 0);
  const std::string page = read_file(file);
  CHECK(contains(page, "one &lt;b&gt;, attempt 1: done"));
  CHECK(contains(page, "two, attempt 1: failed"));
  CHECK(contains(page, "prefers-color-scheme: dark"));
  for (const std::string outside : {"http:", "https:", "<script", "@import", "url("})
    CHECK_FALSE(contains(page, outside));
  CHECK(contains(site.run({"history"}).out, "failed"));
}
