// The script that Slurm runs: words come out of it as they went in, and nothing in them is executed.

#include "slurm/batch_script.hpp"

#include "examples/slurm/stand_in.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "tooling/client_call.hpp"
#include "tooling/confined.hpp"
#include "tooling/failure.hpp"
#include "tooling/words.hpp"

using namespace testing;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> nasty = {"",
                                        "a b",
                                        "it's",
                                        "$(touch executed)",
                                        "`touch executed`",
                                        "; touch executed",
                                        "-rf",
                                        "--",
                                        "\\",
                                        "\"",
                                        "a\nb",
                                        "\n#SBATCH --job-name=evil\n",
                                        "a\r\nb",
                                        "\r\n\r\n",
                                        "\xff\xfe\x80",
                                        "*",
                                        "~root",
                                        "eval",
                                        std::string(255, 'x')};

/// A job whose command writes its arguments down, each with a zero byte behind it.
slurm::job writing_job(const scratch_directory& here) {
  slurm::job what{.ref = {7, 1, "aa"},
                  .begin = {"sh", "-c", "printf '%s\\n' \"$0\" \"$@\" >begun", "first line"},
                  .command = {"sh", "-c", "pwd >where; printf '%s\\0' \"$@\" >words", "sh"},
                  .environment = {{"MINE", "it's $HOME"}},
                  .directory = here.path(),
                  .end = {},
                  .script = here / "script",
                  .output = here / "out%j",
                  .errors = here / "err",
                  .options = {"--partition=any"}};
  what.command.insert(what.command.end(), nasty.begin(), nasty.end());
  return what;
}

int run_script(const scratch_directory& here, const slurm::job& what, const slurm::settings& how = {}) {
  write_file(what.script, slurm::batch_script(what, how));
  const std::string line = "cd \"$0\" && SLURM_JOB_ID=12 exec " + std::string(GENERATE("dash", "bash")) + " script";
  return run_program({"sh", "-c", line, here.path().string()});
}

}  // namespace

TEST_CASE("every word of a job comes out of its script as it went in, and nothing in it is executed") {
  const scratch_directory here;
  slurm::settings how;
  const slurm::job what = writing_job(here);
  if (GENERATE(false, true)) {  // through a remote shell
    how.back = {"sh", "-c", "eval \"$*\"", "ssh"};
    how.back_shell = true;
  }
  REQUIRE(run_script(here, what, how) == 0);
  std::string expected;
  for (const std::string& each : nasty) expected += each + '\0';
  CHECK(read_file(here / "words") == expected);
  CHECK(read_file(here / "begun") == "first line\n--job\n12\n--restarts\n0\n");
  CHECK(read_file(here / "where") == here.path().string() + "\n");
  CHECK(here.names().count("executed") == 0);
  CHECK(slurm::batch_script(what, how).find("\r\n") == std::string::npos);  // sbatch would refuse it
}

TEST_CASE("a job whose first line says no runs nothing") {
  const scratch_directory here;
  slurm::job what = writing_job(here);
  what.begin = {"sh", "-c", "exit 75"};
  what.end = {"touch", (here / "ended").string()};
  CHECK(run_script(here, what) == 75);
  CHECK(here.names().count("words") == 0);
  CHECK(here.names().count("ended") == 0);
}

TEST_CASE("a job whose directory is gone does not run elsewhere, and its last line is told the exit status") {
  const scratch_directory here;
  slurm::job what = writing_job(here);
  what.end = {"sh", "-c", "printf '%s\\n' \"$@\" >ended", "sh"};
  what.directory = here / "gone";
  CHECK(run_script(here, what) == 125);
  CHECK(here.names().count("words") == 0);
  CHECK(read_file(here / "ended") == "--status\n125\n");
}

TEST_CASE("paths with sbatch's own marks in them are taken as they are") {
  const scratch_directory here;
  slurm::job what = writing_job(here);
  what.output = "/x/50%j";
  what.errors = "/x/50%\\j";
  const auto arguments = slurm::submission_arguments(what);
  CHECK(std::ranges::count(arguments, "--output=/x/50%%j") == 1);
  CHECK(std::ranges::count(arguments, "--error=/x/50%\\j") == 1);
  CHECK(arguments.back().starts_with('/'));
}

TEST_CASE("a program with an equals sign in its path is run, and not taken for one more variable") {
  const scratch_directory here;
  const std::filesystem::path program = here / "of=them" / "writes";
  std::filesystem::create_directory(program.parent_path());
  write_file(program, "#!/bin/sh\necho \"$MINE\" >ran\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  write_file(here / "material", "#!/bin/sh\necho the material >ran\n");
  std::filesystem::permissions(here / "material", std::filesystem::perms::owner_all);
  slurm::job what = writing_job(here);
  what.command = {program.string(), (here / "material").string()};
  CHECK(run_script(here, what) == 0);
  REQUIRE(here.names().count("ran") == 1);
  CHECK(read_file(here / "ran") == "it's $HOME\n");
}

TEST_CASE("whatever options people give, the last word on a job's name and on running it again is ours") {
  const scratch_directory here;
  slurm::job what = writing_job(here);
  what.options = {"--job-name=x", "--requeue", "--output=/x", "--chdir=/x"};
  const auto arguments = slurm::submission_arguments(what);
  const auto last = [&](const std::string& first, const std::string& second) {
    return *std::find_if(arguments.rbegin(), arguments.rend(),
                         [&](const std::string& each) { return each.starts_with(first) || each.starts_with(second); });
  };
  CHECK(last("--job-name", "--job-name") == "--job-name=lockkit-7-1-aa");
  CHECK(last("--requeue", "--no-requeue") == "--no-requeue");
  CHECK(last("--chdir", "--chdir") == "--chdir=/");
  CHECK(last("--output", "--output") != "--output=/x");
}

TEST_CASE(
    "options by which a job could not be found again, or would be none or many, are refused, shortened ones too") {
  for (const char* each :
       {"--job-name=x", "--job-n", "--requeue", "--clusters=b", "--cluster=b", "--array=1-9", "--arr=1", "--wrap=x",
        "--wait", "--test-only", "--test", "--{group}", "--=x", "-J", "x", "--", ""}) {
    CAPTURE(each);
    CHECK_FALSE(slurm::problem_with_option(each).empty());
  }
  for (const char* each : {"--partition={group}", "--no-requeue", "--wait-all-nodes=1", "--hold", "--time=30"}) {
    CAPTURE(each);
    CHECK(slurm::problem_with_option(each).empty());
  }
}

TEST_CASE("a client is given none of the variables of the job that it is called from") {
  ::setenv("SLURM_RESTART_COUNT", "3", 1);
  ::setenv("SLURM_CONF", "/x", 1);
  const auto answer = tooling::call_client({"env"}, 5s, {.beginnings = {"SLURM_"}, .but = "SLURM_CONF"});
  ::unsetenv("SLURM_RESTART_COUNT");
  ::unsetenv("SLURM_CONF");
  CHECK(answer.output.find("SLURM_RESTART_COUNT") == std::string::npos);
  CHECK(answer.output.find("SLURM_CONF=/x\n") != std::string::npos);
}

TEST_CASE("bytes that were encoded are decoded again, and what is not encoded so is refused") {
  for (const std::string& each : nasty) CHECK(tooling::percent_decode(tooling::visible(each)) == each);
  CHECK(tooling::visible("a\n%\xff") == "a%0A%25%FF");
  for (const char* wrong : {"%", "%1", "%zz", "a%+1"}) CHECK_FALSE(tooling::percent_decode(wrong));
}

TEST_CASE("a directory is made inside its root, and nowhere else whatever is planted on the way") {
  const scratch_directory here;
  const scratch_directory outside;
  namespace fs = std::filesystem;
  const auto made = tooling::confined_directory::make(here.path(), "a/b");
  CHECK(fs::is_directory(here / "a/b"));
  fs::rename(here / "a", here / "moved");  // an open one is what it was
  write_file(made.path() / "file", "x");
  CHECK(read_file(here / "moved/b/file") == "x");
  fs::create_directory_symlink(outside.path(), here / "link");
  fs::create_directory(here / "c");
  fs::create_directory_symlink("../moved", here / "c/inside");
  write_file(here / "file", "");
  for (const char* wrong : {"link", "link/x", "c/inside", "../x", "a/../x", "/etc/x", "file/x", "file", ".", "c/."}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(tooling::confined_directory::make(here.path(), wrong), tooling::failure);
  }
  CHECK(outside.names().empty());
}
