/// System B in small: two jobs of ten updates each, a sync loop, somebody else's pushes, and old scripts on the lock.
/// Seen to fail: without another try of refused pushes, with the lock ignored, with the branch moved without its old
/// value.
#include <signal.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;

namespace {

const char* const old_script = R"(
set -C; cd "$0"; name=$1; n=1
while [ $n -le 5 ]; do
  if { echo $$ > .git/status_board.lock; } 2>/dev/null; then
    echo "{\"state\": \"running\", \"message\": \"$n\"}" >| data/status/$name.json
    git add data/status/$name.json && git commit -q -m "old $name $n"
    rm .git/status_board.lock
    n=$((n + 1))
  fi
  sleep 0.02
done
)";

const char* const foreign_pusher = R"(
cd "$0"; n=1
while [ ! -e ../stop ]; do
  echo $n > "foreign-$n"; git add "foreign-$n"; git commit -q -m "foreign $n"
  until git push -q origin main 2>/dev/null; do git pull -q --rebase; done
  n=$((n + 1))
done
echo $((n - 1)) > ../foreign-count
)";

running_program start_shell(const board_site& site, const std::string& shell, const char* script,
                            const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"env", "HOME=" + (site.directory() / "home").string(), shell, "-c", script};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return {site.directory(), command};
}

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> result;
  for (; from <= to; ++from) result.push_back(std::to_string(from));
  return result;
}

}  // namespace

TEST_CASE("two jobs, a sync loop, a foreign pusher and old scripts: every update is on the remote, in its order") {
  board_site site("push: {first_pause: 10ms, longest_pause: 100ms, attempts: 100}\n");
  const std::string checkout = site.checkout().string();
  const std::string other = site.clone("other").string();
  REQUIRE(site.update("a", "queued", {"--message", "0"}).status == 0);
  running_program sync = site.start({"sync", checkout, "--every", "0.1"});
  running_program foreign = start_shell(site, "bash", foreign_pusher, {other});
  running_program bash = start_shell(site, "bash", old_script, {checkout, "bash"});
  running_program dash = start_shell(site, "dash", old_script, {checkout, "dash"});
  std::string said;
  for (int n = 1; n <= 10; ++n) {
    running_program a = site.start({"update", checkout, "a", "running", "--message", std::to_string(n)});
    running_program b = site.start({"update", checkout, "b", "running", "--message", std::to_string(n)});
    for (running_program* each : {&a, &b}) {
      const tool_result result = each->wait();
      INFO(result.err);
      CHECK(result.status == 0);
      CHECK((result.err.find("committed as ") != std::string::npos ||
             result.err.find("committed already") != std::string::npos));
      said += result.err;
    }
  }
  CHECK(bash.wait().status == 0);
  CHECK(dash.wait().status == 0);
  write_file(site.directory() / "stop", "");
  CHECK(foreign.wait().status == 0);
  sync.signal(SIGTERM);
  static_cast<void>(sync.wait());
  const tool_result last = site.sync();
  INFO(last.err);
  CHECK(last.status == 0);
  CHECK(site.history("a") == numbers(0, 10));
  CHECK(site.history("b") == numbers(1, 10));
  CHECK(site.history("bash") == numbers(1, 5));
  CHECK(site.history("dash") == numbers(1, 5));
  const int pushed = std::stoi(read_file(site.directory() / "foreign-count"));
  CHECK(site.git(site.remote(), {"log", "--format=%s", "--grep=^foreign ", "main"})
            .find("foreign " + std::to_string(pushed)) == 0);
  CHECK(site.git(site.remote(), {"rev-list", "--count", "--grep=^foreign ", "main"}) == std::to_string(pushed));
  CHECK(said.find("waited ") != std::string::npos);
  CHECK(site.changes().empty());
  CHECK(site.git(site.checkout(), {"rev-parse", "HEAD"}) == site.git(site.remote(), {"rev-parse", "main"}));
  CHECK(site.judge().empty());
}
