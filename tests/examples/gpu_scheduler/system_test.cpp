// System A: several schedulers, several GPUs in groups of unequal speed, schedulers killed.

#include <signal.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "examples/gpu_scheduler/site.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::running_program;
using testing::scheduler_site;

namespace {

constexpr const char* two_groups = "resources: {fast: [f0, f1, f2], slow: [s0, s1, s2]}\n";

std::string name_of(std::size_t n) {
  return "case-" + std::to_string(n);
}

/// GPU -> how many cases began, on any GPU, after its last one had ended.
std::map<std::string, std::size_t> begun_without(const std::vector<std::vector<std::string>>& log) {
  std::map<std::string, std::size_t> result;
  std::size_t begun = 0;
  for (const auto& row : log) {
    if (row[0] == "begin") ++begun;
    if (row[0] == "end") result[row[2]] = begun;
  }
  for (auto& [gpu, count] : result) count = begun - count;
  return result;
}

}  // namespace

TEST_CASE("as many cases as there are GPUs begin at once, on different ones, whoever starts them") {
  scheduler_site site(two_groups);
  std::vector<running_program> daemons;
  for (int n = 0; n < 3; ++n) daemons.push_back(site.start());
  for (std::size_t n = 0; n < 8; ++n) site.add_case(name_of(n), "wait_for gate");
  REQUIRE(eventually([&] { return site.log().size() == 6; }));
  std::set<std::string> gpus;
  for (const auto& row : site.log()) gpus.insert(row[2]);
  CHECK(gpus.size() == 6);
  CHECK(site.used() == 6);
  site.open_gate("gate");
  CHECK(site.all_become("done", 8));
  CHECK(site.judge(8).empty());
}

TEST_CASE("groups of unequal speed all stay busy until no case waits") {
  constexpr std::size_t count = 36;
  scheduler_site site(two_groups);
  for (std::size_t n = 0; n < count; ++n) {
    site.add_case(name_of(n), "if [ \"$group\" = fast ]; then sleep 0.1; else sleep 0.4; fi");
  }
  const auto first = site.start();
  const auto second = site.start();
  REQUIRE(site.all_become("done", count));
  CHECK(site.judge(count).empty());
  const auto idle = begun_without(site.log());
  CHECK(idle.size() == 6);
  for (const auto& [gpu, others] : idle) {
    INFO(gpu << " had ended its last case when " << others << " were still to begin");
    CHECK(others <= 6);
  }
}

TEST_CASE("schedulers killed at random lose no case and run none twice") {
  constexpr std::size_t count = 40;
  scheduler_site site(two_groups);
  std::mt19937 random(7);
  std::vector<std::optional<running_program>> daemons(3);
  for (auto& each : daemons) each.emplace(site.start());
  std::size_t added = 0;
  for (int kill = 0; kill < 12; ++kill) {
    for (int n = 0; n < 4 && added < count; ++n) site.add_case(name_of(added++), "sleep 0.05");
    const std::size_t log = site.log().size();
    REQUIRE(eventually([&] { return site.log().size() > log || log == 2 * added; }));  // between two steps of theirs
    auto& victim = daemons[random() % daemons.size()];
    victim->signal(SIGKILL);
    CHECK(victim->wait().status == 128 + SIGKILL);
    victim.emplace(site.start());
  }
  REQUIRE(site.all_become("done", count));
  CHECK(site.judge(count).empty());
  CHECK(site.used() == 0);
}

TEST_CASE("a scheduler says once that no GPU is free, and starts the next case when one is") {
  scheduler_site site("resources: {any: [g0]}\n");
  site.add_case("a", "wait_for gate");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  site.add_case("b");
  site.add_case("c");
  REQUIRE(site.becomes("c", "ready"));
  REQUIRE(daemon.says("' waits: "));
  site.open_gate("gate");
  CHECK(site.all_become("done", 3));
}

TEST_CASE("a case is taken only when it has settled, and those that were there before the start, too") {
  scheduler_site site("resources: {any: [g0]}\n", "complete: ready\n");
  std::filesystem::create_directories(site.path("new/a"));
  testing::write_file(site.path("new/a/do"), "true\n");
  const auto daemon = site.start();
  REQUIRE(daemon.says("'" + site.path("new/a").string() + "' is not complete yet"));
  CHECK(site.cases().empty());
  testing::write_file(site.path("new/a/ready"), "");
  CHECK(site.becomes("a", "done"));
  CHECK(site.begun("a") == 1);
}
