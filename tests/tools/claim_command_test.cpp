/// lockkit claim, as scripts meet it.
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

namespace {

/// Two GPUs and a licence of two units, in db.
const std::string prepare = R"sh(
export LOCKKIT_DB=db
lockkit claim add gpu g0 --memory 40GB --group left --attributes '{"arch": "old"}' || exit
lockkit claim add gpu g1 --memory 80GB --group right --attributes '{"arch": "new", "nv": 1}' || exit
lockkit claim add licence l --capacity 2 || exit
)sh";

script_result run_prepared(const scratch_directory& place, const std::string& text) {
  return run_script(a_shell(), place, prepare + text);
}

}  // namespace

TEST_CASE("claim run tells a command what it has, and passes its exit code on") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run gpu -- sh -c 'echo "$LOCKKIT_RESOURCES"; test ${#LOCKKIT_CLAIM} = 32 && test "$LOCKKIT_TOKENS" -gt 0; exit 7'; echo $?
lockkit claim run gpu -n 2 -- sh -c 'echo "$LOCKKIT_RESOURCES"; case $LOCKKIT_TOKENS in *,*) ;; *) exit 1;; esac'; echo $?
lockkit claim run gpu --min-memory 41GB -- sh -c 'echo "$LOCKKIT_RESOURCES"'
lockkit claim run gpu --match '{"arch": "new"}' -- sh -c 'echo "$LOCKKIT_RESOURCES"'
lockkit claim run gpu --group right -- sh -c 'echo "$LOCKKIT_RESOURCES"'
lockkit claim run licence -- lockkit claim run licence -- true; echo $?
lockkit claim run gpu -- sh -c 'kill -9 $$'; echo $?
lockkit claim run gpu -- no-such-command; echo $?
lockkit claim run gpu -- .; echo $?
lockkit claim run gpu -- printf '%s\n' -n '[a,b]' --; echo $?
lockkit claim list --json | grep -c '"claim":')sh");
  INFO(result.err);
  CHECK(result.out == "g0\n7\ng0,g1\n0\ng1\ng1\ng1\n0\n137\n127\n126\n-n\n[a,b]\n--\n0\n0\n");
}

TEST_CASE("claim run that gets nothing does not run the command: 75 not in time, 65 never") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
try() { lockkit claim run "$@" -- touch ran; echo $?; }
lockkit claim drain gpu g1
try gpu -n 2 --timeout 0
try gpu -n 2 --timeout 0.05
try gpu -n 3
try gpu --min-memory 81GB
try gpu --match '{"arch": "none"}'
try nothing
ls ran)sh");
  CHECK(result.out == "75\n75\n65\n65\n65\n65\n");
  CHECK(contains(result.err, "no claim of 2 in the pool 'gpu' within 0.05 s; 'lockkit claim list'"));
  CHECK(contains(result.err, "no resource could ever meet this request"));
}

TEST_CASE("claims drain, come back, retire, and may be released by hand") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim drain gpu g0 && lockkit claim run gpu -- sh -c 'echo "$LOCKKIT_RESOURCES"'
lockkit claim drain gpu g0 --undo && lockkit claim drain gpu g1 && lockkit claim run gpu -- sh -c 'echo "$LOCKKIT_RESOURCES"'
lockkit claim drain gpu g1 --retire && lockkit claim list gpu | wc -l; lockkit claim list gpu --retired | wc -l
lockkit claim drain gpu g7; echo $?
lockkit claim run licence -- sh -c 'lockkit claim release $LOCKKIT_CLAIM; echo $?; lockkit claim release $LOCKKIT_CLAIM; echo $?'; echo $?
lockkit claim add licence l --capacity 2; echo $?)sh");
  CHECK(result.out == "g1\ng0\n1\n2\n65\n0\n1\n0\n0\n");
  CHECK(contains(result.err, "there is no claim '"));
  CHECK(contains(result.err, "was ended by somebody else while the command ran"));
  CHECK(contains(result.err, "'l' is in the pool 'licence' already, just as given"));
}

TEST_CASE("capacity can't fall below what is claimed: 75") {
  const scratch_directory place;
  const script_result result = run_prepared(
      place,
      "lockkit claim run licence -- lockkit claim run licence -- lockkit claim add licence l --capacity 1; echo $?");
  CHECK(result.out == "75\n");
  CHECK(contains(result.err, "it is claimed; drain it"));
}

TEST_CASE("events tell what happened, a page at a time") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run gpu -- true
lockkit claim events | cut -d' ' -f3- | sed 's/,.*//'
echo "$(lockkit claim events --limit 2 | wc -l) $(lockkit claim events --after 3 | wc -l)")sh");
  CHECK(result.out == "added gpu g0\nadded gpu g1\nadded licence l\nclaimed gpu g0\nreleased gpu g0\n2 2\n");
}

TEST_CASE("a database that is missing, or something else, is 65, and nothing is made") {
  const scratch_directory place;
  write_file(place / "text", std::string(5000, 'x'));
  const script_result result = run_script(a_shell(), place, R"sh(
for what in list events 'run p -- true' 'release k' 'drain p n' 'acquire p --for-pid 1'; do
  lockkit claim --db missing $what; echo $?
  lockkit claim --db text $what; echo $?
done
lockkit claim --db no/such/db add p n; echo $?
lockkit claim --db . add p n; echo $?)sh");
  CHECK(result.out == "65\n65\n65\n65\n65\n65\n65\n65\n65\n65\n65\n65\n73\n64\n");
  CHECK(contains(result.err, "cannot open 'missing': there is no such database"));
  CHECK(contains(result.err, "this is another program's database"));
  CHECK(place.names() == std::set<std::string>{"text"});
}

TEST_CASE("wrong usage of claim is 64") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
try() { lockkit claim "$@" 2>/dev/null; echo $?; }
try; try list; try --db db; try --db db run -- true; try --db db run p; try --db db run p true; try --db db run p -n 0 -- true
try --db db run p -n many -- true; try --db db run p --min-memory lots -- true; try --db db run p --match '[1]' -- true
try --db db run p --match '{' -- true; try --db db add p; try --db db add p n --attributes 7; try --db db acquire p
try --db db acquire p --for-pid 0; try --db db acquire p --for-pid me; try --db db drain p n --undo --retire
try --db db events --after x; try --db db no-such-subcommand; try --db '' add p n)sh");
  std::string expected;
  for (int n = 0; n < 20; ++n) expected += "64\n";
  CHECK(result.out == expected);
  CHECK(place.names().empty());
}

TEST_CASE("the database may be named behind the subcommand, and a pool may begin with a dash") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
lockkit claim add --db db -- -pool -name && lockkit claim run --db=db -- -pool -- sh -c 'echo "$LOCKKIT_RESOURCES"')sh");
  INFO(result.err);
  CHECK(result.out == "-name\n");
}
