// What passes again (a full disk, a Slurm that is away) costs no step, and what does not costs that step alone.

#include "examples/job_callbacks/workflow_site.hpp"
#include "examples/slurm/stand_in.hpp"
#include "support/catch.hpp"

using namespace testing;

namespace {

constexpr const char* one_step = "materials: [Ge, Si]\nsteps: [{name: A, command: [a]}]\n";

/// A plan to which the kernel says so when it makes that directory.
tool_result plan_with(const workflow_site& site, const std::string& error, const std::string& directory) {
  std::vector<std::string> all = {"strace",
                                  "-f",
                                  "-qq",
                                  "-o",
                                  "/dev/null",
                                  "-P",
                                  directory,
                                  "-e",
                                  "trace=mkdirat",
                                  "-e",
                                  "inject=mkdirat:error=" + error};
  for (const std::string& each : site.command({"plan"})) all.push_back(each);
  return running_program(site.directory(), all).wait();
}

}  // namespace

TEST_CASE("a step for whose directory there is no room on the disk waits, and is submitted when there is") {
  if (!has_program("strace")) {
    WARN("skipped: no strace");
    return;
  }
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), one_step);
  const tool_result result = plan_with(site, "ENOSPC", "mat_Ge");
  CHECK(result.status == 74);
  CHECK(result.err.find("No space left on device") != std::string::npos);
  CHECK(site.count("ready") == 2);
  CHECK(site.run({"plan"}).status == 0);
  CHECK(site.count("submitted") == 2);
}

TEST_CASE("a material whose directory nobody may write fails, and the others are submitted") {
  if (!has_program("strace")) {
    WARN("skipped: no strace");
    return;
  }
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), one_step);
  const tool_result result = plan_with(site, GENERATE("EACCES", "EROFS"), "mat_Ge");
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(site.step("A/Ge").at("state") == "failed");
  CHECK(site.step("A/Si").at("state") == "submitted");
}

TEST_CASE("a watch outlives Slurm's being away, and finds afterwards what became of the jobs") {
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), one_step);
  REQUIRE(site.run({"plan"}).status == 0);
  slurm.set("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1");
  const auto watch = site.start({"reconcile", "--every", "0.1"});
  REQUIRE(eventually([&] { return watch.errors().find("Slurm does not answer") != std::string::npos; }));
  slurm.set("squeue", printing(queue_line("1", "CANCELLED", slurm.accepted().at(0)) +
                               queue_line("2", "PENDING", slurm.accepted().at(1))));
  CHECK(eventually([&] { return site.count("failed") == 1; }));
}

TEST_CASE("an event that is left with a manager whose work fails is seen by it before it ends") {
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), "materials: [Si]\nsteps: [{name: A, command: [a]}]\n");
  REQUIRE(site.run({"plan"}).status == 0);
  slurm.set("squeue", "touch \"$here/inside\"; while [ ! -e \"$here/gate\" ]; do sleep 0.02; done; exit 1");
  auto manager = site.start({"reconcile"});
  REQUIRE(eventually([&] { return std::filesystem::exists(slurm.folder() / "inside"); }));
  const tool_result left = site.live(slurm.accepted().at(0), "1");
  CHECK(left.err.find("a manager is at work") != std::string::npos);
  write_file(slurm.folder() / "gate", "");
  CHECK(manager.wait().status == 69);
  CHECK(site.step("A/Si").at("state") == "done");
}
