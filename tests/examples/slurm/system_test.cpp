// With a real Slurm: controller, node, munge and accounting, started beside this program by scripts/with-slurm. What ran
// is judged by what the jobs wrote and by what sacct says.

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>

#include <lockkit/inspect.hpp>

#include "examples/gpu_scheduler/site.hpp"
#include "examples/job_callbacks/workflow_site.hpp"
#include "scenario/long_runs.hpp"
#include "support/catch.hpp"

using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// sbatch that submits and then fails in turn: says its number between warnings, ends with 1 after having said it, ends
/// with 1 and says nothing of it, hangs. Every other program is the real one.
class faulty_sbatch {
 public:
  explicit faulty_sbatch(const scratch_directory& here) : script_((here / "faulty").string()) {
    write_file(script_,
               "[ \"$1\" = sbatch ] || exec \"$@\"\n"
               "mkdir \"$0.$$\" && n=$(ls -d \"$0\".* | wc -l)\n"
               "id=$(\"$@\") || exit\n"
               "case $((n % 6)) in\n"
               "1) echo 'sbatch: warning: 3 nodes are down'; echo \"$id\"; echo 'lua: billed' >&2;;\n"
               "2) echo \"$id\"; exit 1;;\n"
               "3) echo 'sbatch: error: Socket timed out' >&2; exit 1;;\n"
               "4) [ $n -gt 9 ] || exec sleep 1000; echo \"$id\";;\n"
               "*) echo \"$id\";;\n"
               "esac\n");
  }
  [[nodiscard]] std::string yaml() const { return "[sh, '" + script_ + "']"; }
  [[nodiscard]] std::size_t calls() const {
    const auto all = fs::directory_iterator(fs::path(script_).parent_path());
    return static_cast<std::size_t>(std::count_if(
        begin(all), end(all), [](const auto& each) { return each.path().filename().native().starts_with("faulty."); }));
  }

 private:
  std::string script_;
};

/// Words of each line.
std::vector<std::vector<std::string>> rows_of(const std::string& text, char mark) {
  std::vector<std::vector<std::string>> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    auto& row = result.emplace_back();
    for (std::string word; std::getline(words, word, mark);) row.push_back(word);
  }
  return result;
}

/// Task -> how many of its jobs ran to the end, by sacct; of those that belong to the database with this claim in it.
/// A job that was refused by its first line (75) ran nothing.
std::map<std::string, int> completed_jobs(const fs::path& database) {
  const auto known =
      capture_program({"sqlite3", database.string(), "SELECT claim_key FROM task_attempt WHERE claim_key <> ''"});
  std::set<std::string> claims;
  for (const auto& row : rows_of(known.text, '\n')) claims.insert(row.at(0));
  const auto told = capture_program({"sacct", "--noheader", "--parsable2", "--allocations", "--duplicates",
                                     "--starttime=now-1days", "--format=JobName,State,ExitCode"});
  std::map<std::string, int> result;
  for (const auto& row : rows_of(told.text, '|')) {
    const std::size_t claim = row.at(0).rfind('-') + 1;
    if (!row.at(0).starts_with("lockkit-") || claims.count(row.at(0).substr(claim)) == 0) continue;
    const std::string task = row.at(0).substr(8, row.at(0).find('-', 8) - 8);
    if (row.at(1) == "COMPLETED") ++result[task];
    if (row.at(1) != "COMPLETED" && row.at(2) != "75:0") result[task] += 1000;
  }
  return result;
}

bool each_once(const std::map<std::string, int>& jobs, std::size_t count) {
  return jobs.size() == count && std::ranges::all_of(jobs, [](const auto& each) { return each.second == 1; });
}

std::string integrity_of(const fs::path& database) {
  return capture_program({"sqlite3", database.string(), "PRAGMA integrity_check"}).text;
}

/// Kills whoever is the manager, again and again.
class manager_killer {
 public:
  manager_killer(fs::path lock, unsigned seed)
      : lock_(std::move(lock)), thread_([this, seed](const std::stop_token& stop) { run(stop, seed); }) {}
  [[nodiscard]] int kills() const { return kills_; }
  void stop() { thread_ = {}; }

 private:
  void run(const std::stop_token& stop, unsigned seed) {
    std::mt19937 random(seed);
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 150));
      const auto seen = lockkit::inspect(lock_);
      if (seen.state == lockkit::lock_state::held && seen.holder && ::kill(seen.holder->pid, SIGKILL) == 0) ++kills_;
    }
  }

  fs::path lock_;
  std::atomic<int> kills_ = 0;
  std::jthread thread_;
};

std::string names(std::size_t count) {
  std::string result;
  for (std::size_t n = 0; n < count; ++n) result += (n == 0 ? "m" : ", m") + std::to_string(n);
  return "[" + result + "]";
}

/// A job that writes down that it ran, and ends when it may.
std::string witness_step(const std::string& name, const fs::path& witness, const std::string& more) {
  return "  - {name: " + name +
         ", command: [sh, -c, 'echo \"$1 $2 $SLURM_JOB_ID\" >>\"$3/log\"; while [ ! -e \"$3/$1\" ]; do sleep 0.1; "
         "done', sh, '{step}', '{material}', '" +
         witness.string() + "']" + more + "}\n";
}

bool is_zombie(int pid) {
  return read_file("/proc/" + std::to_string(pid) + "/stat").find(") Z ") != std::string::npos;
}

std::map<std::string, int> runs_by_step(const fs::path& witness) {
  std::map<std::string, int> result;
  if (!fs::exists(witness / "log")) return result;
  for (const auto& row : rows_of(read_file(witness / "log"), ' ')) ++result[row.at(0) + " " + row.at(1)];
  return result;
}

/// Callbacks that were turned away by a manager at work.
std::size_t turned_away(const fs::path& results) {
  std::size_t count = 0;
  for (const auto& each : fs::recursive_directory_iterator(results)) {
    if (each.path().filename() != "stderr") continue;
    if (read_file(each.path()).find("a manager is at work") != std::string::npos) ++count;
  }
  return count;
}

void end_50_jobs_together(unsigned seed) {
  constexpr std::size_t count = 50;
  const scratch_directory tools(memory_directory());
  const faulty_sbatch faulty(tools);
  const fs::path witness = tools / "witness";
  fs::create_directory(witness);
  const workflow_site site(faulty.yaml(), "limits: {max_jobs: 60, max_submit: 60}\nmaterials: " + names(count) +
                                              "\nsteps:\n" + witness_step("OPT", witness, "") +
                                              witness_step("SP", witness, ", after: [OPT]"));
  write_file(witness / "SP", "");
  REQUIRE(site.run({"plan"}).status == 0);
  REQUIRE(eventually([&] {
    if (runs_by_step(witness).size() == count) return true;
    (void)site.run({"reconcile"});  // what sbatch has hidden from the first manager
    return false;
  }));
  manager_killer killer(site.state() / "manager.lock", seed);
  write_file(witness / "OPT", "");  // all end now
  REQUIRE(eventually([&] {
    std::this_thread::sleep_for(300ms);
    if (killer.kills() >= 12) killer.stop();
    (void)site.run({"reconcile"});
    return site.count("done") == 2 * count;
  }));
  killer.stop();
  CHECK(killer.kills() >= 3);
  CHECK(faulty.calls() >= 2 * count);
  CHECK(turned_away(site.path("results")) >= 10);
  WARN(killer.kills() << " managers killed, " << turned_away(site.path("results")) << " callbacks turned away, "
                      << faulty.calls() << " calls of sbatch");
  const auto runs = runs_by_step(witness);
  CHECK(runs.size() == 2 * count);
  for (const auto& [step, times] : runs) {
    INFO(step);
    CHECK(times == 1);
  }
  CHECK(eventually([&] { return each_once(completed_jobs(site.state() / "steps.db"), 2 * count); }));
  CHECK(integrity_of(site.state() / "steps.db") == "ok\n");
}

}  // namespace

TEST_CASE("50 jobs end together, managers are killed and sbatch fails after submitting: 50 next steps, none twice") {
  for (unsigned seed = 1; seed <= in_long_runs(20U, 1U); ++seed) end_50_jobs_together(seed);
}

TEST_CASE("three managers at once over a real Slurm submit each step once") {
  const scratch_directory tools(memory_directory());
  const workflow_site site("[env]", "materials: " + names(6) + "\nsteps: [{name: A, command: ['true']}]\n");
  std::vector<running_program> managers;
  for (int n = 0; n < 3; ++n) managers.push_back(site.start({"plan"}));
  for (auto& each : managers) CHECK(each.wait().status == 0);
  CHECK(eventually([&] { return site.count("done") == 6; }));
  CHECK(eventually([&] { return each_once(completed_jobs(site.state() / "steps.db"), 6); }));
}

TEST_CASE(
    "50 cases of gpu_scheduler run once each in Slurm, with schedulers killed and an sbatch that can't be trusted") {
  constexpr std::size_t count = 50;
  const scratch_directory tools(memory_directory());
  const faulty_sbatch faulty(tools);
  const std::string groups =
      "resources: {fast: [f0, f1, f2, f3, f4, f5, f6, f7], slow: [s0, s1, s2, s3, s4, s5, s6, s7]}\n";
  scheduler_site site(
      groups, "executor: {slurm: {prefix: " + faulty.yaml() +
                  ", options: ['--gres=gpu:{gpus}', '--comment={group}'], poll: 200ms, settle: 1s, timeout: 2s}}\n");
  for (std::size_t n = 0; n < count; ++n)
    site.add_case("case-" + std::to_string(n), "echo \"$CUDA_VISIBLE_DEVICES\" >card; sleep 0.1");
  std::mt19937 random(3);
  std::vector<std::optional<running_program>> daemons(2);
  for (auto& each : daemons) each.emplace(site.start());
  for (int kill = 0; kill < 6; ++kill) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 500));
    auto& victim = daemons[random() % daemons.size()];
    victim->signal(SIGKILL);
    CHECK(victim->wait().status == 128 + SIGKILL);
    victim.emplace(site.start());
  }
  CHECK(eventually([&] { return site.all_become("done", count); }));
  CHECK(faulty.calls() >= count);
  CHECK(site.judge(count) == "");
  CHECK(site.used() == 0);
  CHECK(eventually([&] { return each_once(completed_jobs(site.path("cases.db")), count); }));
  CHECK(integrity_of(site.path("cases.db")) == "ok\n");
  CHECK_FALSE(read_file(site.path("new/case-7/card")).empty());  // Slurm gave it one
}

TEST_CASE(
    "a controller that is gone for a while costs nothing: what ended meanwhile is found, and nothing is submitted "
    "twice") {
  const scratch_directory tools(memory_directory());
  const fs::path witness = tools / "witness";
  fs::create_directory(witness);
  const workflow_site site("[env]", "materials: " + names(4) + "\nsteps:\n" + witness_step("A", witness, "") +
                                        witness_step("B", witness, ", after: [A]"));
  write_file(witness / "B", "");
  REQUIRE(site.run({"plan"}).status == 0);
  REQUIRE(eventually([&] { return runs_by_step(witness).size() == 4; }));
  const fs::path slurm = fs::path(std::getenv("SLURM_CONF")).parent_path();
  const int controller = std::stoi(read_file(slurm / "slurmctld.pid"));
  ::kill(controller, SIGTERM);  // a killed one forgets the last seconds, and the jobs that they brought
  REQUIRE(eventually([&] { return ::kill(controller, 0) != 0 || is_zombie(controller); }));
  write_file(witness / "A", "");
  REQUIRE(eventually([&] { return site.count("done") + site.count("submitting") > 0; }));
  CHECK(site.run({"reconcile"}).status == 69);
  REQUIRE(run_program({"slurmctld"}) == 0);
  REQUIRE(eventually([&] { return run_program({"sh", "-c", "scontrol ping | grep -q UP"}) == 0; }));
  REQUIRE(eventually([&] {
    (void)site.run({"reconcile"});
    return site.count("done") == 8;
  }));
  for (const auto& [step, times] : runs_by_step(witness)) CHECK(times == 1);
}

TEST_CASE(
    "a job that is cancelled in Slurm, before or while it runs, is found by reconcile, and what follows it waits") {
  const scratch_directory tools(memory_directory());
  const fs::path witness = tools / "witness";
  fs::create_directory(witness);
  const workflow_site site("[env]", "materials: [a, b]\nsteps:\n" + witness_step("A", witness, "") +
                                        "  - {name: HELD, command: ['true'], options: [--hold]}\n");
  REQUIRE(site.run({"plan"}).status == 0);
  REQUIRE(eventually([&] { return runs_by_step(witness).size() == 2; }));
  for (const char* step : {"A/a", "HELD/a"}) {
    REQUIRE(run_program({"scancel", site.step(step).at("job").get<std::string>()}) == 0);
  }
  REQUIRE(eventually([&] {
    REQUIRE(site.run({"reconcile"}).status == 0);
    return site.count("failed") == 2;
  }));
  CHECK(site.step("A/a").at("state") == "failed");  // by Slurm's word, or by its last line's if that still ran
  CHECK(site.step("HELD/a").at("note").get<std::string>().find("ended before it began: CANCELLED") !=
        std::string::npos);
  CHECK(site.step("A/b").at("state") == "running");
  CHECK(site.step("HELD/b").at("state") == "submitted");
  write_file(witness / "A", "");
  (void)run_program({"scancel", site.step("HELD/b").at("job").get<std::string>()});
}
