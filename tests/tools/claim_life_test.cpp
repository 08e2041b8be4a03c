/// How long a claim of a script stands: real processes, really killed.
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

/// One unit, "taken" prints whether somebody has it, and fifos to shake hands over.
const std::string prepare = R"sh(
export LOCKKIT_DB=db
lockkit claim add p unit || exit
taken() { lockkit claim run p --timeout 0 -- true 2>/dev/null && echo free || echo taken; }
mkfifo up go
)sh";

script_result run_prepared(const scratch_directory& place, const std::string& text) {
  return run_script(a_shell(), place, prepare + text);
}

}  // namespace

TEST_CASE("kill -9 of lockkit claim run frees nothing while its command runs") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'echo $$ > up; read line < go' & lockkit=$!
read command < up
taken; kill -9 $lockkit; wait $lockkit; echo $?; taken
echo end > go
lockkit claim run p --timeout 20 -- echo had)sh");
  CHECK(result.out == "taken\n137\ntaken\nhad\n");
}

TEST_CASE("kill -9 of a command frees what it had, at once, and lockkit says 137") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'echo $$ > up; exec sleep 100' & lockkit=$!
read command < up
taken; kill -9 $command; wait $lockkit; echo $?; taken)sh");
  CHECK(result.out == "taken\n137\nfree\n");
}

TEST_CASE("kill -9 of both frees what they had for whoever waits for it") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'echo $$ > up; exec sleep 100' & lockkit=$!
read command < up
lockkit claim run p -- echo had & waiter=$!
kill -9 $lockkit $command
wait $waiter; echo $?; taken)sh");
  CHECK(result.out == "had\n0\nfree\n");
}

TEST_CASE("what a command leaves running keeps its claim, whether it forked twice or made its own session") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c '(setsid sh -c "echo up > up; read line < go" < /dev/null > /dev/null 2>&1 &); read line < up; exit 3'
echo $?; taken
echo end > go
lockkit claim run p --timeout 20 -- echo had; taken)sh");
  CHECK(result.out == "3\ntaken\nhad\nfree\n");
}

TEST_CASE("a daemon that closes the claim's descriptor does not keep it") {
  const scratch_directory place;
  const script_result result = run_script("bash", place, prepare + R"sh(
lockkit claim run p -- bash -c '(exec {LOCKKIT_CLAIM_FD}>&-; echo up > up; read line < go) < /dev/null > /dev/null 2>&1 & read line < up'
taken; echo end > go; wait)sh");
  CHECK(result.out == "free\n");
}

TEST_CASE("a signal sent to claim run reaches its command, and while it waits it leaves nothing") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'trap "exit 5" TERM; echo up > up; while :; do sleep 0.01; done' & lockkit=$!
read line < up
lockkit claim run p -- touch ran & waiter=$!
kill $waiter; wait $waiter; echo $?
kill $lockkit; wait $lockkit; echo $?; taken; ls ran)sh");
  CHECK(result.out == "143\n5\nfree\n");
}

TEST_CASE("acquire holds for as long as a process lives, and no longer") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
sleep 100 & process=$!
claim=$(lockkit claim acquire p --for-pid $process); echo $? ${#claim}
taken; kill -9 $process
lockkit claim run p --timeout 20 -- echo had
claim=$(lockkit claim acquire p --for-pid $$); taken
lockkit claim release $claim; taken
claim=$(lockkit claim acquire p --for 0.05)
lockkit claim run p --timeout 20 -- echo had)sh");
  INFO(result.err);
  CHECK(result.out == "0 32\ntaken\nhad\ntaken\nfree\nhad\n");
}

TEST_CASE("acquire says why nothing was had, and then leaves nobody behind") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'lockkit claim acquire p --for-pid $$ --timeout 0.05; echo $?
lockkit claim acquire p --for-pid 4194304; echo $?
lockkit claim acquire q --for-pid $$; echo $?
sleep 100 & process=$!
lockkit claim acquire p --for-pid $process & waiter=$!
until test -n "$(pgrep -P $waiter)"; do :; done
kill -9 $process; wait $waiter; echo $?'
taken; lockkit claim acquire p --for-pid $$ > /dev/full; echo $?
lockkit claim run p --timeout 20 -- echo free)sh");
  CHECK(result.out == "75\n65\n65\n75\nfree\n74\nfree\n");
  CHECK(contains(result.err, "no claim of 1 in the pool 'p' within 0.05 s"));
  CHECK(contains(result.err, "cannot hold anything for pid 4194304: No such process; name a process that lives"));
  CHECK(contains(result.err, "ended before anything of the pool 'p' was free"));
}

TEST_CASE("who is killed while acquire waits leaves nobody behind") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
lockkit claim run p -- sh -c 'echo up > up; read line < go' &
read line < up
lockkit claim acquire p --for-pid $$ & waiter=$!
until child=$(pgrep -P $waiter); do :; done
kill -9 $waiter; wait $waiter; echo $?
for n in $(seq 1000); do kill -0 $child 2>/dev/null || break; sleep 0.01; done
kill -0 $child 2>/dev/null && echo "it waits on"
echo end > go
lockkit claim run p --timeout 20 -- echo had; taken)sh");
  CHECK(result.out == "137\nhad\nfree\n");
}

TEST_CASE("what acquire leaves behind keeps nothing of its caller's: pipes, locks, directory, session") {
  const scratch_directory place;
  const script_result result = run_script("bash", place, prepare + R"sh(
exec 9> lock; flock 9
claim=$(lockkit claim acquire p --for-pid $$ 5> other)
holder=$(lockkit claim list --json | sed -n 's/.*"pid": \([0-9]*\),/\1/p')
readlink /proc/$holder/cwd /proc/$holder/fd/0 /proc/$holder/fd/1 /proc/$holder/fd/2
ls -l /proc/$holder/fd | grep -c -e other -e lock$
test "$(ps -o sid= -p $holder)" -eq $holder && echo own session
exec 9>&-; flock -n lock echo unlocked)sh");
  CHECK(result.out == "/\n/dev/null\n/dev/null\n/dev/null\n0\nown session\nunlocked\n");
}

TEST_CASE("a resident that is killed ends its claim") {
  const scratch_directory place;
  const script_result result = run_prepared(place, R"sh(
claim=$(lockkit claim acquire p --for-pid $$)
kill -9 $(lockkit claim list --json | sed -n 's/.*"pid": \([0-9]*\),/\1/p')
lockkit claim run p --timeout 20 -- echo had)sh");
  CHECK(result.out == "had\n");
}
