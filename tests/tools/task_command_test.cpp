/// lockkit task, as scripts meet it.
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "tools/script.hpp"

using testing::a_shell;
using testing::contains;
using testing::run_script;
using testing::scratch_directory;
using testing::script_result;

namespace {

const std::string prepare = R"sh(
export LOCKKIT_DB=db
state() { lockkit task show "$1" --field state; }
)sh";

script_result run_prepared(const scratch_directory& place, const std::string& text) {
  return run_script(a_shell(), place, prepare + text);
}

}  // namespace

TEST_CASE("a task is submitted once, taken once, and finished by who has it") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit task submit --key one --payload 'do $(this)'; echo $?
lockkit task submit --key one --payload other; echo $?
lockkit task take --for-pid $$ --timeout 0 > ref; echo $?
ref=$(cat ref)
lockkit task take --for-pid $$ --timeout 0; echo $?
lockkit task show $ref --field payload; echo; lockkit task show 1 --field key
state 1
lockkit task finish $ref --result fine; echo $?
lockkit task finish $ref --result fine; echo $?
lockkit task fail $ref; echo $?
state $ref; lockkit task show 1 --field result)sh");
  INFO(result.err);
  CHECK(result.out == "1\n0\n1\n0\n0\n75\ndo $(this)\none\ntaken\n0\n0\n1\ndone\nfine\n");
  CHECK(contains(result.err, "the key 'one' was submitted before; nothing was changed"));
  CHECK(contains(result.err, "no task of the queue 'default' could be taken within 0 s"));
  CHECK(contains(result.err, "is over, or was given to somebody else: nothing was changed"));
}

TEST_CASE("a task that fails is tried again while it has attempts, and one handed back lost none") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit task submit --key k --max-attempts 2 > id
take() { ref=$(lockkit task take --for-pid $$ --timeout 0) || echo $?; }
take; lockkit task fail $ref --hand-back; state 1
take; lockkit task fail $ref --reason bad; state 1
take; lockkit task fail $ref --reason worse; state 1; lockkit task show 1 --field result
take
lockkit task submit --key later --delay 1h > id; take
lockkit task submit --key again --max-attempts 2 > id; take; lockkit task fail $ref --retry-after 1h; state 3; take)sh");
  INFO(result.err);
  CHECK(result.out == "ready\nready\nfailed\nworse\n75\n75\nready\n75\n");
}

TEST_CASE("an attempt ends with the process it was taken for: the next one has it, a late report is refused") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim add gpu g
lockkit task submit --key k --pool gpu --max-attempts 3 > id
sleep 100 & process=$!
first=$(lockkit task take --for-pid $process); state 1
lockkit claim run gpu --timeout 0 -- true; echo $?
kill -9 $process
second=$(lockkit task take --for-pid $$ --timeout 20); echo $?
lockkit task finish $first; echo $?; state 1
lockkit task finish $second; echo $?; state 1
lockkit claim run gpu --timeout 0 -- echo free
lockkit task submit --key short > id
third=$(lockkit task take --for 0.05)
until test "$(state 2)" = failed; do :; done; echo over)sh");
  INFO(result.err);
  CHECK(result.out == "taken\n75\n0\n1\ntaken\n0\ndone\nfree\nover\n");
}

TEST_CASE("an attempt taken unattended is nobody else's before somebody has reported about it") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim add gpu g
lockkit task submit --key k --pool gpu --max-attempts 3 > id
ref=$(lockkit task take --unattended); echo $?
lockkit task take --unattended --timeout 0; echo $?
lockkit claim run gpu --timeout 0 -- true; echo $?
state 1; lockkit task finish $ref; state 1
lockkit claim run gpu --timeout 0 -- echo free
lockkit task submit --key k2 > id; lockkit task take --unattended > /dev/full; echo $?; state 2)sh");
  INFO(result.err);
  CHECK(result.out == "0\n75\n75\nunknown\ndone\nfree\n74\nready\n");
}

TEST_CASE("of two batch jobs that begin one attempt, one is told to go on") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit task submit --key k > id
ref=$(lockkit task take --unattended)
begin() { lockkit task begin --task 1 --attempt "$1" --job "$2"; echo $?; }
begin 1 4711; begin 1 4712; begin 1 4711; begin 2 4713; begin 0 4713
state 1
lockkit task finish $ref; begin 1 4711
lockkit task begin --task 9 --attempt 1 --job x; echo $?)sh");
  CHECK(result.out == "0\n1\n0\n1\n1\nrunning\n1\n65\n");
  CHECK(contains(result.err, "job '4712': attempt 1 of task 1 is over, or runs as another job already"));
}

TEST_CASE("why says what a task waits for, and list shows what there is") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim add gpu g
lockkit task submit --key a > id
lockkit task submit --key b --after 1 > id
lockkit task submit --key c --pool gpu -n 2 --priority 5 > id
lockkit task submit --key d --queue other > id
lockkit task why 1; lockkit task why 2; lockkit task why 3 | grep -c gpu
lockkit task list; lockkit task list --after 1 --limit 1; lockkit task list --state done
lockkit task list --queue other
lockkit task why 9; echo $?; lockkit task why 4; echo $?; lockkit task show 9; echo $?)sh");
  CHECK(result.out ==
        "nothing: it can be taken now\ndependency 1 (\"a\", ready)\n1\n1 a: ready\n2 b: ready\n3 c: ready\n2 b: "
        "ready\n4 d: ready\n65\n65\n65\n");
  CHECK(contains(result.err, "there is no task of this number in this queue; look at the list"));
}

TEST_CASE("a payload may be any bytes, from the standard input") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
printf 'two\nlines \377 and no newline' > data
lockkit task submit --key k --payload-from-input < data > id
lockkit task show 1 --field payload | cmp - data; echo $?
lockkit task submit --key l --payload-from-input < .; echo $?)sh");
  CHECK(result.out == "0\n74\n");
  CHECK(contains(result.err, "cannot read the payload from the standard input: Is a directory; nothing was submitted"));
}

TEST_CASE("wrong usage of task is 64, and what is no attempt is 65") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
try() { lockkit task "$@" 2>/dev/null; echo $?; }
try; try submit; try take; try take --for-pid $$ --unattended; try take --for-pid x; try finish; try list --state sleeping
try submit --key k --max-attempts 0; try submit --key k --payload x --payload-from-input; try submit --key k --match x
try why; try begin --task 1 --attempt 1; try show 1 --field age; try fail 1.1.x --hand-back --reason y
lockkit task submit --key k > id
for bad in 1 1.1 1.1.x x.1.0123456789abcdef0123456789abcdef 1.1.0123456789ABCDEF0123456789abcdef '' "1.1.'; drop table task; --"; do
  try finish "$bad"; try fail "$bad"
done
try list --db missing)sh");
  std::string expected;
  for (int n = 0; n < 14; ++n) expected += "64\n";
  for (int n = 0; n < 15; ++n) expected += "65\n";
  CHECK(result.out == expected);
}
