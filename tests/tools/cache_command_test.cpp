/// lockkit cache, as scripts meet it: a real web server, real commands that fetch.
#include "examples/misbehaving_server.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "tools/script.hpp"

using testing::a_shell;
using testing::contains;
using testing::misbehaving_server;
using testing::run_script;
using testing::scratch_directory;
using testing::script_result;
using testing::write_file;
namespace fs = std::filesystem;

namespace {

script_result run_cached(const scratch_directory& place, const std::string& text, const std::string& url = {}) {
  return run_script(a_shell(), place, "export LOCKKIT_CACHE=cache; url=" + url + "\n" + text);
}

}  // namespace

TEST_CASE("cache get fetches a URL once and prints a path; mirror makes a file of it") {
  const scratch_directory place;
  const misbehaving_server server;
  const script_result result = run_cached(place, R"sh(
a=$(lockkit cache get $url/ok) && b=$(lockkit cache get $url/ok) && test "$a" = "$b" && wc -c < "$a"
lockkit cache mirror $url/ok here/mirror && cmp "$a" here/mirror && stat -c %h here/mirror
lockkit cache mirror $url/ok here/mirror; echo $?
lockkit cache mirror $url/ok here/linked --link && stat -c %h here/linked
lockkit cache get $url/moved --policy always > moved && cmp "$a" "$(cat moved)"; echo $?)sh",
                                          server.url(""));
  INFO(result.err);
  CHECK(result.out == "8000\n1\n0\n2\n0\n");
  CHECK(contains(result.err, "'here/mirror': was there already"));
  CHECK(contains(result.err, "fetched 8.0 kB in"));
  CHECK(server.requests() == 3);  // /ok, /moved, and /ok where that leads
}

TEST_CASE("a mirror never takes a person's file away, unless it is told to") {
  const scratch_directory place;
  write_file(place / "mine", "precious");
  write_file(place / "source", "new");
  const script_result result = run_cached(place, R"sh(
url=file://$PWD/source
lockkit cache mirror $url mine; echo $?; cat mine; echo
mkdir d; lockkit cache mirror $url d; echo $?
ln -s mine link; lockkit cache mirror $url link; echo $?; cat mine; echo
lockkit cache mirror $url mine --overwrite; echo $?; cat mine; echo
lockkit cache mirror $url cache/inside; echo $?)sh");
  CHECK(result.out == "73\nprecious\n73\n73\nprecious\n0\nnew\n64\n");
  CHECK(contains(result.err, "'mine': the destination exists with other content"));
}

TEST_CASE("what can't be fetched says so by its exit code, and is not cached") {
  const scratch_directory place;
  const misbehaving_server server;
  const script_result result = run_cached(place, R"sh(
try() { lockkit cache get --attempts 1 "$@" > /dev/null; echo $?; }
try $url/no-such-page
try $url/down
try $url/truncated
try http://127.0.0.1:1/refused
try $url/ok --sha256 0000000000000000000000000000000000000000000000000000000000000000
try file:///no/such/file
try file:///
try $url/to-file
try $url/ok --policy never
try ftp://example.org/x; try no-url; try ''
lockkit cache list)sh",
                                          server.url(""));
  CHECK(result.out == "65\n69\n69\n69\n65\n65\n65\n69\n65\n64\n64\n64\n");
  CHECK(contains(result.err, "the server answered HTTP 404; check the URL"));
  CHECK(contains(result.err, "the server answered HTTP 503; try again later"));
  CHECK(contains(result.err, "the content does not have the promised size or digest"));
  CHECK(contains(result.err, "the cache does not have it"));
}

TEST_CASE("a transfer that fails for a passing reason is tried again, and says so") {
  const scratch_directory place;
  const misbehaving_server server;
  const script_result result = run_cached(place, "lockkit cache get $url/flaky > path; echo $?", server.url(""));
  CHECK(result.out == "0\n");
  CHECK(contains(result.err, "the server answered HTTP 503; trying again"));
}

TEST_CASE("a signal ends a transfer that stalls, and leaves nothing in the cache") {
  const scratch_directory place;
  const misbehaving_server server;
  const script_result result = run_cached(place, R"sh(
lockkit cache get $url/stall & pid=$!
lockkit cache get $url/stall --timeout 0.2; echo $?
kill $pid; wait $pid; echo $?
lockkit cache get $url/stall --timeout 0.2; echo $?
lockkit cache stats | head -n 1)sh",
                                          server.url(""));
  INFO(result.err);
  // Of the first two one transfers and the other one waits, whichever.
  CHECK(contains(result.err, "/stall' was not fetched within 0.2 s; wait longer"));
  CHECK(result.out == "75\n143\n75\n0 keys, 0 contents, 0 B\n");
}

TEST_CASE("a command fetches by writing to a file, once for all who ask at the same time") {
  const scratch_directory place;
  const script_result result = run_script("bash", place, R"sh(
export LOCKKIT_CACHE=cache TMPDIR=$PWD/tmp; mkdir tmp
fetch='echo x >> fetched; printf "%s" "$1" > "$LOCKKIT_FILE.new" && mv "$LOCKKIT_FILE.new" "$2"'
for n in 1 2 3 4 5 6 7 8; do
  lockkit cache mirror 'any key; $(touch planted)' mirror.$n -- sh -c "$fetch" - content {} & pids+=($!)
done
for pid in "${pids[@]}"; do wait $pid || echo $?; done
wc -l < fetched; cat mirror.*; echo
cat "$(lockkit cache get 'any key; $(touch planted)')"; echo
ls tmp; ls planted)sh");
  INFO(result.err);
  CHECK(result.out == "1\ncontentcontentcontentcontentcontentcontentcontentcontent\ncontent\n");
}

TEST_CASE("a command that fails, or leaves no file, caches nothing") {
  const scratch_directory place;
  write_file(place / "secret", "not for the cache");
  const script_result result = run_cached(place, R"sh(
export TMPDIR=$PWD/tmp; mkdir tmp
lockkit cache get k -- sh -c 'echo half > "$LOCKKIT_FILE"; exit 3'; echo $?
lockkit cache get k -- sh -c 'kill -9 $$'; echo $?
lockkit cache get k -- no-such-command; echo $?
lockkit cache get k -- true; echo $?
lockkit cache get k -- sh -c 'ln -s "$PWD/secret" "$LOCKKIT_FILE"'; echo $?
lockkit cache get k -- sh -c 'mkfifo "$LOCKKIT_FILE"'; echo $?
lockkit cache get k -- sh -c 'mkdir "$LOCKKIT_FILE"'; echo $?
lockkit cache get k; echo $?
lockkit cache mirror -- -k -mirror -- sh -c 'printf fine > "$LOCKKIT_FILE"'; echo $?; cat ./-mirror; echo
lockkit cache list --json | grep -c '"key"'; ls tmp)sh");
  CHECK(result.out == "3\n137\n127\n65\n65\n65\n65\n64\n0\nfine\n1\n");
  CHECK(contains(result.err, "'sh' failed with 3; nothing was cached"));
  CHECK(contains(result.err, "'true' ended well, but left no file at the name in LOCKKIT_FILE"));
}

TEST_CASE("verify finds what was damaged, repair removes it, and remove forgets a key") {
  const scratch_directory place;
  const script_result result = run_cached(place, R"sh(
path=$(lockkit cache get k -- sh -c 'echo good > "$LOCKKIT_FILE"')
lockkit cache verify; echo $?; lockkit cache verify --json
chmod u+w "$path" && echo evil > "$path"
lockkit cache verify; echo $?
lockkit cache verify --repair; echo $?; lockkit cache verify; echo $?
lockkit cache get k -- sh -c 'echo good > "$LOCKKIT_FILE"' > path; cat "$(cat path)"
lockkit cache remove k; echo $?; lockkit cache remove k; echo $?; lockkit cache stats)sh");
  CHECK(result.out == "0\n[]\n65\n0\n0\ngood\n0\n1\n0 keys, 0 contents, 0 B\n");
  CHECK(contains(result.err, "'k' is damaged: "));
  CHECK(contains(result.err, "'verify --repair' removes it"));
  CHECK(contains(result.err, "'k' is not cached; 'cache list' shows what is"));
}

TEST_CASE("evict keeps a size and an age, tells what goes and what stays, and stats counts what is there") {
  const scratch_directory place;
  const script_result result = run_cached(place, R"sh(
bring() { lockkit cache get "$@" -- sh -c 'printf %1000s x | tr " " "$1" > "$LOCKKIT_FILE"' - "$1"; }
a=$(bring a) && bring b > path && bring a --policy always > path
find cache/k -type f -newermt 2000-01-01 -exec touch -d '3 hours ago' {} + && bring b > path
lockkit cache stats | head -n 1
lockkit cache evict --max-size 1kB
lockkit cache evict --max-size 1kB --grace 0 --dry-run --json | grep -c '"key": "a"'
lockkit cache evict --max-size 1kB --grace 0 | tail -n 1
lockkit cache list | grep -c ' b$'; lockkit cache stats --json | grep -A9 unnamed_contents
lockkit cache evict --max-age 2h --grace 0 | tail -n 1
lockkit cache evict --max-age 0 --grace 0 > out; echo $?; lockkit cache stats
lockkit cache evict --max-size many 2> /dev/null; echo $?)sh");
  INFO(result.err);
  CHECK(result.out ==
        "2 keys, 2 contents, 2.0 kB\n0 B freed, 2.0 kB left\n1\n1.0 kB freed, 1.0 kB left\n1\n"
        "  \"unnamed_contents\": 0,\n  \"unnamed_bytes\": 0,\n  \"leased\": 0,\n  \"partials\": 0,\n"
        "  \"partial_bytes\": 0\n}\n0 B freed, 1.0 kB left\n0\n0 keys, 0 contents, 0 B\n64\n");
  CHECK(contains(result.err, "lockkit: a stays: young"));
}

TEST_CASE("a cache that is missing is 65 for whoever only looks, and wrong usage of cache is 64") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
: > file
for what in list stats verify evict 'remove k'; do lockkit cache --cache missing $what; echo $?; done
lockkit cache --cache file get file:///etc/hostname; echo $?
lockkit cache --cache file/c get file:///etc/hostname; echo $?
try() { lockkit cache "$@" 2> /dev/null; echo $?; }
try; try get x; try --cache c get; try --cache c mirror k; try --cache c get file:///a --policy sometimes
try --cache c get file:///a --sha256 12; try --cache c get file:///a --attempts 0; try --cache c remove
try --cache c get file:///a b)sh");
  CHECK(result.out == "65\n65\n65\n65\n65\n73\n73\n64\n64\n64\n64\n64\n64\n64\n64\n64\n");
  CHECK(contains(result.err, "cannot open the cache 'missing': there is no such directory"));
  CHECK(place.names() == std::set<std::string>{"file"});
}

TEST_CASE("cache get serves offline what it has, and says when a refresh has failed") {
  const scratch_directory place;
  write_file(place / "source", "content");
  const script_result result = run_cached(place, R"sh(
lockkit cache get $url --offline; echo $?
lockkit cache get $url > first; rm source; cat "$(cat first)"; echo
lockkit cache get $url --offline --policy always | cmp - first; echo $?
lockkit cache get $url --policy always; echo $?
lockkit cache get $url --policy always --stale-if-error | cmp - first; echo $?)sh",
                                          "file://" + (place / "source").string());
  INFO(result.err);
  CHECK(result.out == "65\ncontent\n0\n65\n0\n");
  CHECK(contains(result.err, "could not be refreshed (cannot fetch"));
}
