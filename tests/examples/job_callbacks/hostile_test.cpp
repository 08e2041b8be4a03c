// What people and file systems call things: refused or handled, nothing executed, nothing outside the root touched.

#include "examples/job_callbacks/workflow_site.hpp"
#include "examples/slurm/stand_in.hpp"
#include "job_callbacks/material.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// Runs each job at once as Slurm would: the script, in a directory of its own.
constexpr const char* sbatch_that_runs =
    R"(for word; do case $word in --job-name=*) name=${word#*=};; esac; script=$word; done
echo "$name" >>"$here/accepted"
n=$(wc -l <"$here/accepted")
cp "$script" "$here/script.$n"
(cd / && SLURM_JOB_ID=$n exec sh "$here/script.$n") >>"$here/log" 2>&1 &
echo "$n")";

constexpr const char* witness_step =
    "steps: [{name: ONE, command: [sh, -c, 'printf \"%s\\0\" \"$1\" >>\"$2/$(basename \"$PWD\")\"; cat \"$3\" "
    ">>\"$2/sum\"', "
    "sh, '{material}', '{root}/../witness', '{source}']}]\n";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-=,@%~";

std::string refusal_of(const std::string& text) {
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), text);
  const tool_result result = site.run({"plan"});
  CHECK(result.status == 65);
  CHECK(slurm.accepted().empty());
  return result.err;
}

}  // namespace

TEST_CASE("materials of any name have a directory of their own, and reach their program as they are called") {
  const slurm_stand_in slurm;
  slurm.set("sbatch", sbatch_that_runs);
  const workflow_site site(slurm.yaml_prefix(), std::string("materials: {folder: in}\n") + witness_step);
  fs::create_directories(site.path("in"));
  fs::create_directories(site.path("witness"));
  const std::vector<std::string> names = {"Si",
                                          "a\nb",
                                          "x;touch executed",
                                          "$(touch executed)",
                                          "`id`",
                                          "it's",
                                          "\"quoted\"",
                                          "..a",
                                          "a b",
                                          "{material}",
                                          "100%",
                                          "\xff\xfe",
                                          "*",
                                          std::string(255, 'x'),
                                          std::string(254, 'x') + "\n",
                                          "eval",
                                          "#SBATCH --x",
                                          "\\"};
  std::size_t hidden = 0;
  for (const std::string& each : names) {
    write_file(site.path("in") / each, "1");
    hidden += each.starts_with('.') ? 1U : 0U;
  }
  REQUIRE(hidden == 1);
  const tool_result planned = site.run({"plan"});
  INFO(planned.err);
  REQUIRE(planned.status == 0);
  REQUIRE(eventually([&] { return site.count("done") == names.size() - hidden; }));
  for (const std::string& each : names) {
    if (each.starts_with('.')) continue;
    const std::string directory = job_callbacks::directory_of_material(each);
    CAPTURE(directory);
    CHECK(directory.size() <= 255);
    CHECK(directory.find_first_not_of(plain) == std::string::npos);
    CHECK(fs::is_directory(site.path("results/step_001_ONE") / directory));
    CHECK(read_file(site.path("witness") / directory) == each + '\0');
  }
  CHECK(read_file(site.path("witness/sum")) == std::string(names.size() - hidden, '1'));
  for (const auto& each : fs::recursive_directory_iterator(site.directory().path())) {
    CHECK(each.path().filename() != "executed");
  }
  for (const auto& each : site.status().at("steps")) CHECK_FALSE(contains(each.at("material"), "\n"));
}

TEST_CASE("names that can't be a material's are refused before anything is submitted") {
  const std::string step = "steps: [{name: A, command: [a]}]\n";
  CHECK(contains(refusal_of("materials: [a/b]\n" + step), "'a/b' can't be one: it is a path"));
  CHECK(contains(refusal_of("materials: ['..']\n" + step), "it is a path"));
  CHECK(contains(refusal_of("materials: ['']\n" + step), "it is empty"));
  CHECK(contains(refusal_of("materials: ['-rf']\n" + step), "programs would take it for an option"));
  CHECK(contains(refusal_of("materials: [a, a]\n" + step), "a second time"));
  CHECK(contains(refusal_of("materials: ['" + std::string(256, 'x') + "']\n" + step), "more than 255 bytes"));
  const std::string material = "materials: [a]\n";
  CHECK(contains(refusal_of(material + "steps: [{name: ../A, command: [a]}]\n"), "letters, digits and _ alone"));
  CHECK(contains(refusal_of(material + "steps: [{name: A, command: [a=b]}]\n"), "has no '=' in it"));
  CHECK(contains(refusal_of(material + "steps: [{name: A, command: a b}]\n"), "no shell splits a line"));
  CHECK(contains(refusal_of(material + "steps: [{name: A, after: [B], command: [a]}]\n"), "no step 'B' above 'A'"));
  const auto with_option = [&](const std::string& option) {
    return refusal_of(material + "steps: [{name: A, command: [a], options: [" + option + "]}]\n");
  };
  CHECK(contains(with_option("-p, x"), "is no option of one word"));
  CHECK(contains(with_option("--job-name=x"), "jobs are found by the name that they get here"));
  CHECK(contains(refusal_of(material + "steps: [{name: A, command: ['{materiel}']}]\n"), "did you mean '{material}'"));
  CHECK(contains(refusal_of(material + step + "limits: {max_jobs: 3, reserve: 3}\n"), "leaves nothing"));
}

TEST_CASE("a link among the materials is refused, and what lies in their folder later is no business of a callback") {
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(), "materials: {folder: in}\nsteps: [{name: A, command: [a]}]\n");
  fs::create_directories(site.path("in"));
  write_file(site.path("in/good"), "");
  REQUIRE(site.run({"plan"}).status == 0);
  fs::create_symlink("/etc/passwd", site.path("in/bad"));
  CHECK(site.run({"plan"}).status == 65);
  CHECK(site.live(slurm.accepted().at(0), "1").status == 0);
  CHECK(site.step("A/good").at("state") == "done");
}

TEST_CASE("links that were planted where results go lead nowhere: the step fails, and nothing outside is touched") {
  const slurm_stand_in slurm;
  const scratch_directory outside;
  const workflow_site site(slurm.yaml_prefix(), "materials: [Si, Ge]\nsteps: [{name: A, command: [a]}]\n");
  fs::create_directories(site.path("results"));
  const bool whole_step = GENERATE(true, false);
  if (whole_step) {
    fs::create_directory_symlink(outside.path(), site.path("results/step_001_A"));
  } else {
    fs::create_directories(site.path("results/step_001_A"));
    fs::create_directory_symlink(outside.path(), site.path("results/step_001_A/mat_Si"));
  }
  REQUIRE(site.run({"plan"}).status == 0);
  CHECK(site.step("A/Si").at("state") == "failed");
  CHECK(contains(site.step("A/Si").at("note"), "a link, or something else that is no directory, stands there"));
  CHECK(site.step("A/Ge").at("state") == (whole_step ? "failed" : "submitted"));
  CHECK(outside.names().empty());
}

TEST_CASE("status is paged, and each step stands on one page") {
  const slurm_stand_in slurm;
  const workflow_site site(slurm.yaml_prefix(),
                           "materials: [a, b, c, d, e]\nsteps: [{name: A, command: [a]}, {name: B, command: [b]}]\n");
  REQUIRE(site.run({"plan"}).status == 0);
  std::vector<std::string> seen;
  std::vector<std::string> more = {"--limit", "4"};
  for (int page = 0; page < 3; ++page) {
    const auto shown = site.status(more);
    CHECK(shown.at("counts").at("submitted") == 10);
    for (const auto& each : shown.at("steps")) {
      seen.push_back(each.at("step").get<std::string>() + each.at("material").get<std::string>());
    }
    CHECK(shown.at("next").is_null() == (page == 2));
    if (page < 2) more = {"--limit", "4", "--after", std::to_string(shown.at("next").get<int>())};
  }
  CHECK(seen.size() == 10);
  CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 10);
  CHECK(contains(site.run({"status", "--limit", "4"}).out, "more: --after 4\n"));
}
