/// lockkit mkdir and lockkit settle, as scripts meet them.
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "tools/script.hpp"

using testing::a_shell;
using testing::contains;
using testing::run_script;
using testing::scratch_directory;
using testing::script_result;
using testing::write_file;
namespace fs = std::filesystem;

TEST_CASE("mkdir makes a directory with its parents, once, in the mode that was asked for") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
umask 077
lockkit mkdir a/b/c --mode 2750; echo $?
lockkit mkdir a/b/c --mode 700; echo $?
stat -c %a a a/b/c
lockkit mkdir -- -d && test -d ./-d; echo $?
lockkit mkdir '[x,y]' && test -d '[x,y]'; echo $?
lockkit mkdir w --writable && ls -A w)sh");
  CHECK(result.out == "0\n0\n2750\n2750\n0\n0\n");
}

TEST_CASE("processes that make one directory at once all succeed") {
  const scratch_directory place;
  const script_result result = run_script("bash", place, R"sh(
for i in {1..20}; do lockkit mkdir x/y/z & pids+=($!); done
for pid in "${pids[@]}"; do wait $pid || echo $?; done
test -d x/y/z)sh");
  CHECK(result.status == 0);
  CHECK(result.out.empty());
}

TEST_CASE("mkdir --unique prints a directory that nobody else has") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
a=$(lockkit mkdir --unique results --prefix run- --mode 700) &&
b=$(lockkit mkdir --unique results --prefix run-) && test "$a" != "$b" && test -d "$b" && stat -c %a "$a"
lockkit mkdir --unique results --prefix=-x > name && test -d "$(cat name)"; echo $?
case $a in results/run-*) echo named;; esac)sh");
  CHECK(result.out == "700\n0\nnamed\n");
  CHECK(std::distance(fs::directory_iterator(place / "results"), fs::directory_iterator()) == 3);
}

TEST_CASE("mkdir says why a directory can't be made, and wrong usage is 64") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
: > file
try() { lockkit mkdir "$@"; echo $?; }
try file; try file/d; try ''
try; try a b; try --unique p --writable; try d --unique p; try --prefix x; try d --mode 8
try --unique p --prefix a/b; try --unique p --prefix ../x; try --unique '')sh");
  CHECK(result.out == "73\n73\n64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n");
  CHECK(contains(result.err, "'file'"));
  CHECK(contains(result.err, "'file/d'"));
  CHECK(place.names() == std::set<std::string>{"file"});
}

TEST_CASE("mkdir --writable on a read-only filesystem is 77") {
  const scratch_directory here;
  const testing::scratch_mount disk("tmpfs", "ro");
  if (!disk.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  const script_result result = run_script("dash", here, "lockkit mkdir --writable " + disk.path().string());
  CHECK(result.status == 77);
  CHECK(contains(result.err, disk.path().string()));
}

TEST_CASE("settle returns when a directory has been quiet, and 75 with the reason when it is not in time") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
mkdir case empty; echo data > case/file
lockkit settle case --quiet-time 50ms; echo $?
exec 5>> case/file
lockkit settle case --quiet-time 0.02 --timeout 0.3; echo $?
exec 5>&-
: > case/more.part
lockkit settle case --quiet-time 0.02 --timeout 0; echo $?
lockkit settle empty --quiet-time 0.02 --timeout 0.2; echo $?
lockkit settle empty --quiet-time 0.02 --files 0; echo $?
lockkit settle case --quiet-time 0.02 --timeout 0.2 --files 3; echo $?)sh");
  CHECK(result.out == "0\n75\n75\n75\n0\n75\n");
  CHECK(contains(result.err, "'case' has not settled within 0.3 s: "));
  CHECK(contains(result.err, "case/file'"));
  CHECK(contains(result.err, "more.part"));
}

TEST_CASE("settle says that the directory is missing, no directory, or gone") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
: > file; mkdir d; : > d/x.part
lockkit settle missing; echo $?
lockkit settle file; echo $?
lockkit settle d --quiet-time 0.02 & 
mv d e; wait $!; echo $?
lockkit settle; echo $?
lockkit settle e --timeout soon; echo $?)sh");
  CHECK(result.out == "73\n73\n73\n64\n64\n");
  CHECK(contains(result.err, "'missing'"));
  CHECK(contains(result.err, "'file'"));
}
