/// lockkit publish, as scripts meet it.
#include <signal.h>
#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "tools/script.hpp"

using testing::a_shell;
using testing::contains;
using testing::read_file;
using testing::run_script;
using testing::scratch_directory;
using testing::script_result;
using testing::write_file;
namespace fs = std::filesystem;

TEST_CASE("publish puts what it reads into the file, byte for byte, with the mode that was asked for") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
head -c 300000 /dev/urandom > data
umask 027
lockkit publish plain < data && cmp data plain && stat -c %a plain
for level in visible consistent durable; do
  head -c 300000 data | lockkit publish --mode 600 --durability $level piped || exit
  cmp data piped && stat -c %a piped
done
lockkit publish empty < /dev/null && stat -c %s empty)sh");
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(result.out == "640\n600\n600\n600\n0\n");
  CHECK(place.names() == std::set<std::string>{"data", "empty", "piped", "plain"});
}

TEST_CASE("publish --if-absent makes a file once: exit code 1 for whoever comes later") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
echo mine | lockkit publish --if-absent f; echo $?
echo yours | lockkit publish --if-absent f; echo $?
ln -s nowhere link
echo yours | lockkit publish --if-absent link; echo $?
cat f)sh");
  CHECK(result.out == "0\n1\n1\nmine\n");
  CHECK(contains(result.err, "'f' exists already"));
  CHECK_FALSE(fs::exists(place / "nowhere"));
}

TEST_CASE("scripts that count in one file by its versions lose no step, and are told by exit code 1 to read again") {
  const scratch_directory place;
  const std::string against = GENERATE(std::string("cooperating"), std::string("any"));
  const script_result result = run_script(a_shell(), place,
                                          R"sh(
count() {
  for step in 1 2 3 4 5 6 7 8 9 10; do
    code=1
    while [ $code = 1 ]; do
      version=$(lockkit publish --print-version f)
      number=$(cat f 2>/dev/null || echo 0)
      echo $((number + 1)) | lockkit publish --rivals )sh" +
                                              against + R"sh( --if-unchanged $version f 2>>messages
      code=$?
    done
    [ $code = 0 ] || echo "code $code"
  done
}
lockkit publish --print-version f
count & count & wait
cat f
echo x | lockkit publish --if-unchanged absent f; echo $?)sh");
  INFO(result.err);
  CHECK(result.out == "absent\n20\n1\n");
  CHECK(contains(result.err, "'f' is not the version that --if-unchanged names: it was left alone"));
  CHECK(place.names() == std::set<std::string>{".f.update.guard", "f", "messages"});
}

TEST_CASE("publish makes missing directories and keeps what the replaced file had, if asked for") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
umask 022
echo 1 | lockkit publish a/b/f; echo $?
echo 1 | lockkit publish --create-parents --durability durable_path a/b/f; echo $?
chmod 640 a/b/f
echo 2 | lockkit publish --preserve a/b/f; stat -c %a a/b/f
echo 3 | lockkit publish a/b/f; stat -c %a a/b/f
lockkit publish --print-version a; echo $?)sh");
  INFO(result.err);
  CHECK(result.out == "73\n0\n640\n644\n73\n");
}

TEST_CASE("an input that can't be read never replaces the file") {
  const scratch_directory place;
  write_file(place / "f", "good");
  const script_result result = run_script(a_shell(), place, R"sh(
lockkit publish f < .; echo $?
lockkit publish f <&-; echo $?
cat f)sh");
  CHECK(result.out == "74\n74\ngood");
  CHECK(contains(result.err, "cannot read standard input for 'f': Is a directory; 'f' is left as it was"));
  CHECK(contains(result.err, "cannot read standard input for 'f': Bad file descriptor"));
}

TEST_CASE("publish --size refuses an input of another length") {
  const scratch_directory place;
  write_file(place / "f", "good");
  const script_result result = run_script(a_shell(), place, R"sh(
printf 12345 | lockkit publish --size 6 f; echo $?
printf 1234567 | lockkit publish --size 6 f; echo $?
cat f; echo
head -c 2048 /dev/zero | lockkit publish --size 2KiB f; echo $?)sh");
  CHECK(result.out == "65\n65\ngood\n0\n");
  CHECK(contains(result.err, "6 bytes were promised by --size, but 5 came; 'f' is left as it was"));
}

TEST_CASE("publish -- COMMAND publishes what a command prints if it succeeds, and has its exit code if not") {
  const scratch_directory place;
  write_file(place / "f", "good\n");
  const script_result result = run_script(a_shell(), place, R"sh(
lockkit publish f -- sh -c 'echo half; exit 3'; echo $?; cat f
lockkit publish f -- sh -c 'echo half; kill -9 $$'; echo $?; cat f
lockkit publish f -- no-such-command; echo $?; cat f
lockkit publish f -- .; echo $?; cat f
lockkit publish f -- printf '%s\n' --mode '[a,b]' '$(id)'; echo $?; cat f)sh");
  CHECK(result.out == "3\ngood\n137\ngood\n127\ngood\n126\ngood\n0\n--mode\n[a,b]\n$(id)\n");
  CHECK(contains(result.err, "'sh' failed with 3; 'f' is left as it was"));
}

TEST_CASE("publish waits for what a command has left running with its output, which is part of it") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
mkfifo go
lockkit publish f -- sh -c 'echo first; (read line < go; echo "$line") &' &
echo second > go; wait
cat f)sh");
  CHECK(result.out == "first\nsecond\n");
}

TEST_CASE("publish that is killed in the middle leaves the old file and nothing else") {
  const scratch_directory place;
  write_file(place / "f", "good");
  const script_result result = run_script("bash", place, R"sh(
mkfifo data
lockkit publish f < data & pid=$!
exec 5> data
head -c 100000 /dev/zero >&5
kill -9 $pid; wait $pid; echo $?
rm data; cat f)sh");
  CHECK(result.out == "137\ngood");
  CHECK(place.names() == std::set<std::string>{"f"});
}

TEST_CASE("publish on a full disk leaves the old file, and says what to do") {
  const scratch_directory here;
  const testing::scratch_mount disk("tmpfs", "size=64k");
  if (!disk.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  write_file(disk.path() / "f", "good");
  const std::string file = (disk.path() / "f").string();
  const std::string from_command = GENERATE(std::string(), std::string(" -- head -c 1000000 /dev/zero"));
  const script_result result =
      run_script("dash", here, "head -c 1000000 /dev/zero | lockkit publish '" + file + "'" + from_command);
  CHECK(result.status == 73);
  CHECK(contains(result.err, file));
  CHECK(contains(result.err, "free some space"));
  CHECK(read_file(disk.path() / "f") == "good");
  CHECK(std::distance(fs::directory_iterator(disk.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("publish says why a file can't be published, and where") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
mkdir d; mkfifo fifo; : > file
try() { echo new | lockkit publish "$1"; echo $?; }
try d
try fifo
try missing/f
try file/f
try ''
try d/..
try "$(printf %0300d 0)"
ls d; stat -c %s file)sh");
  CHECK(result.out == "73\n73\n73\n73\n64\n64\n64\n0\n");
  for (const char* part :
       {"'d': Is a directory", "'fifo': a FIFO", "'missing/f': No such file", "'file/f': Not a dir"}) {
    INFO(part);
    CHECK(contains(result.err, part));
  }
}

TEST_CASE("publish on a read-only filesystem is 77") {
  const scratch_directory here;
  const testing::scratch_mount disk("tmpfs", "ro");
  if (!disk.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  const script_result result = run_script("dash", here, "echo | lockkit publish " + (disk.path() / "f").string());
  CHECK(result.status == 77);
  CHECK(contains(result.err, (disk.path() / "f").string()));
}

TEST_CASE("wrong usage of publish is 64 and touches nothing") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
try() { echo new | lockkit publish "$@"; echo $?; }
try; try a b; try f --durability eternal; try f --mode rw; try f --mode 1777; try f --size many; try f --size -1; try f --size 99999999TB
try f --no-such-option; try -- f sh
try f --if-unchanged nonsense; try f --if-unchanged; try f --rivals any; try f --if-absent --if-unchanged absent)sh");
  CHECK(result.out == "64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n64\n");
  CHECK(place.names().empty());
}

TEST_CASE("a file to publish may begin with a dash, and look like a list") {
  const scratch_directory place;
  const script_result result = run_script(a_shell(), place, R"sh(
echo 1 | lockkit publish -- --mode && cat ./--mode
lockkit publish -- -f -- echo 2 && cat ./-f
echo 3 | lockkit publish '[a,b]' && cat '[a,b]'
echo 4 | lockkit publish '{}' && cat '{}'
echo 5 | lockkit publish run && cat run)sh");
  INFO(result.err);
  CHECK(result.out == "1\n2\n3\n4\n5\n");
}

TEST_CASE("a link planted at the target is replaced itself, and what it leads to is left alone") {
  const scratch_directory place;
  const scratch_directory other;
  write_file(other / "victim", "precious");
  fs::create_symlink(other / "victim", place / "f");
  fs::create_symlink(other / "new", place / "g");
  const script_result result = run_script(a_shell(), place, "echo x | lockkit publish f; echo x | lockkit publish g");
  CHECK(result.status == 0);
  CHECK(read_file(other / "victim") == "precious");
  CHECK(other.names() == std::set<std::string>{"victim"});
  CHECK(fs::is_regular_file(fs::symlink_status(place / "f")));
  CHECK(fs::is_regular_file(fs::symlink_status(place / "g")));
}
